//! The order of a request, from head to reply. Each stage stands in the file of its name.
//!
//! `admit → route → identify → parse → session → authorize → limit → pick → forward → respond`
//!
//! Admission is first because it is cheap and must hold for strangers; the route decides who may call and how;
//! a body is read only for a caller who may speak here; policy sees what will be forwarded, and only its permit can be
//! forwarded; limits come after policy, so that refused calls cost no quota. A stage that decides is sync.

pub(crate) mod admit;
pub(crate) mod authorize;
pub(crate) mod exchange;
pub(crate) mod forward;
pub(crate) mod identify;
pub(crate) mod limit;
pub(crate) mod parse;
pub(crate) mod pick;
pub(crate) mod respond;
pub(crate) mod route;
pub(crate) mod session;

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

pub(crate) use exchange::{Conn, Exchange};

use crate::fault::Fault;
use crate::reply::{Reply, ReplyBody};
use crate::worker::Worker;
use admit::{Inbound, Verb};
use route::LiveRoute;

/// One HTTP request, answered. Never fails: a fault is a reply, too.
pub(crate) async fn handle(worker: &Arc<Worker>, conn: &Arc<Conn>, request: Request<Incoming>) -> Response<ReplyBody> {
    let mut exchange = Exchange::begin(worker, conn, request.version());
    let outcome = serve(worker, conn, request, &mut exchange).await;
    respond::finish(outcome, exchange)
}

async fn serve(
    worker: &Arc<Worker>,
    conn: &Conn,
    request: Request<Incoming>,
    exchange: &mut Exchange,
) -> Result<Reply, Fault> {
    let (head, body) = request.into_parts();
    let (inbound, route) = {
        let routes = worker.shared.routes.load();
        let inbound = admit::check(&worker.shared, &routes, conn.door, &head)?;
        let route = route::select(&routes, conn.door, &inbound)?;
        (inbound, route)
    };
    exchange.routed(&route, &inbound)?;
    let caller = identify::caller(&route, &inbound);
    match inbound.verb {
        Verb::Preflight => Ok(respond::preflight()),
        Verb::Post => post(worker, conn, &route, Posted { inbound: &inbound, body, caller }, exchange).await,
        Verb::Get => {
            limit::refuse_late(conn)?;
            let session = session::of_stream(worker, conn, &route, &inbound, &caller)?;
            match forward::resume::asked(&route, &inbound) {
                Some(resume) => forward::resume::open(worker, &route, session, resume, exchange),
                None => forward::stream::open(worker, &route, session, &inbound, exchange),
            }
        }
        Verb::Delete => {
            let session = session::of_stream(worker, conn, &route, &inbound, &caller)?;
            Box::pin(forward::end::session(worker, &route, &session)).await
        }
    }
}

/// A POST whose body is still to be read.
struct Posted<'a> {
    inbound: &'a Inbound<'a>,
    body: Incoming,
    caller: identify::Caller,
}

async fn post(
    worker: &Arc<Worker>,
    conn: &Conn,
    route: &Arc<LiveRoute>,
    posted: Posted<'_>,
    exchange: &mut Exchange,
) -> Result<Reply, Fault> {
    let Posted { inbound, body, caller } = posted;
    let message = parse::message(&worker.shared, inbound, body, exchange).await?;
    let scope = session::of_message(worker, conn, route, inbound, &caller, &message)?;
    exchange.scoped(&scope);
    let permit = authorize::decide(route, caller, scope, message)?;
    let slot = limit::take(worker, conn, &permit)?;
    let target = pick::target(worker, route, permit, inbound).await?;
    forward::send(worker, route, target, slot, exchange).await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Request;
    use hyper::body::Incoming;

    use super::{Conn, forward, handle};
    use crate::worker::Worker;

    fn of_request<'a, F>(_: impl FnOnce(&'a Arc<Worker>, &'a Arc<Conn>, Request<Incoming>) -> F) -> usize {
        size_of::<F>()
    }

    fn of_call<F>(_: impl FnOnce(forward::call::Call, forward::client::Client) -> F) -> usize {
        size_of::<F>()
    }

    /// Both are moved for each request, so their sizes are time.
    #[test]
    fn the_futures_of_a_request_and_of_a_call_stay_small() {
        let (request, call) = (of_request(handle), of_call(forward::relay::drive));
        assert!(request <= 5 << 10 && call <= 7 << 10, "request {request}, call {call} bytes");
    }
}
