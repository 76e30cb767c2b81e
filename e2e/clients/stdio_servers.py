"""Checks of four real stdio servers behind one gateway route: stdio_servers.py URL FOLDER

The route has the prefixes time, git, files and memory; FOLDER is a git repository with `note.txt` in it.
"""
import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

url, folder = sys.argv[1], sys.argv[2]
failed = 0


def report(name, ok, detail=""):
    global failed
    failed += not ok
    print("PASS" if ok else "FAIL", name, detail)


def text(result):
    return "".join(block.text for block in result.content if block.type == "text")


async def main():
    async with streamable_http_client(url) as (read, write, _):
        async with ClientSession(read, write) as session:
            await session.initialize()
            wanted = {"time_convert_time", "git_git_log", "files_read_text_file", "memory_create_entities"}
            # A server that takes its time to start is missing from the first lists and comes by itself.
            for _ in range(300):
                names, cursor = set(), None
                while True:
                    page = await session.list_tools(cursor)
                    names |= {tool.name for tool in page.tools}
                    cursor = page.nextCursor
                    if not cursor:
                        break
                if wanted <= names:
                    break
                await asyncio.sleep(0.1)
            report("tools/list", wanted <= names, str(sorted(wanted - names) or len(names)))
            asked = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
            converted = json.loads(text(await session.call_tool("time_convert_time", asked)))
            report("time", "T21:00" in converted["target"]["datetime"], str(converted))
            log = text(await session.call_tool("git_git_log", {"repo_path": folder}))
            report("git", "first" in log, log)
            note = text(await session.call_tool("files_read_text_file", {"path": f"{folder}/note.txt"}))
            report("files", note.strip() == "a note", note)
            refused = await session.call_tool("files_read_text_file", {"path": "/etc/hostname"})
            report("files refuses what is outside", refused.isError, text(refused))
            entity = {"name": "Ringway", "entityType": "gateway", "observations": ["stands between"]}
            await session.call_tool("memory_create_entities", {"entities": [entity]})
            graph = text(await session.call_tool("memory_read_graph", {}))
            report("memory", "stands between" in graph, graph)


asyncio.run(main())
sys.exit(1 if failed else 0)
