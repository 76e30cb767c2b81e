"""One session of the Python SDK 1.x across kills of the gateway: across_kills.py URL READYZ FOLDER ROUNDS [PREFIX]

Between its calls it asks for a kill (a file in FOLDER), and waits until the gateway was restarted and says that it is ready. Every call must succeed,
and the session id must stay.
"""
import asyncio
import sys
import urllib.request
from pathlib import Path

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

url, readyz, folder, rounds = sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
prefix = sys.argv[5] if len(sys.argv) > 5 else ""
failed = 0


def report(name, ok, detail=""):
    global failed
    failed += not ok
    print("PASS" if ok else "FAIL", name, detail)


def ready():
    try:
        return urllib.request.urlopen(readyz, timeout=2).status == 200
    except OSError:
        return False


async def until(what, look):
    for _ in range(1500):
        if look():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError(what)


def text(result):
    return "".join(block.text for block in result.content if block.type == "text")


async def main():
    async with streamable_http_client(url) as (read, write, session_id):
        async with ClientSession(read, write) as session:
            await session.initialize()
            first = session_id()
            count = len((await session.list_tools()).tools)
            for r in range(rounds + 1):
                said = f"round {r}"
                report(f"echo in {said}", text(await session.call_tool(prefix + "echo", {"message": said})) == said)
                report(f"list in {said}", len((await session.list_tools()).tools) == count)
                report(f"session in {said}", session_id() == first)
                if r < rounds:
                    (folder / f"kill-{r}").touch()
                    await until("restart", (folder / f"restarted-{r}").exists)
                    await until("readiness", ready)


asyncio.run(main())
sys.exit(1 if failed else 0)
