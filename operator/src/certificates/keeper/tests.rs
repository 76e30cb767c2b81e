use super::*;
use crate::testing::MuteServer;

#[tokio::test(start_paused = true)]
async fn a_mute_api_server_is_asked_again() {
    let (server, identity) = (MuteServer::default(), watch::channel(None).0);
    let (_holder, claims) = watch::channel(Claim::default());
    let install = r#"{ "namespace": "ringway-system", "name": "ringway", "routeNamespaces": [], "secretNamespaces": [],
                       "ports": [80], "defaultListener": { "port": 80 } }"#;
    let install = serde_json::from_str(install).expect("an install");
    let keeper = Keeper { client: server.client(), install, address: [127, 0, 0, 1].into(), claims };
    tokio::spawn(keeper.run(identity));
    server.asked(3, (TURN_TIMEOUT + RETRY) * 3).await;
}
