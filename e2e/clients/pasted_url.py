"""What a person does with the URL that `ringway demo` prints: pasted into an SDK client, it works. pasted_url.py URL [--mode MODE]"""
import sys

import anyio
from mcp import Client

url = sys.argv[1]
mode = sys.argv[3] if len(sys.argv) > 3 else "auto"
failed = 0


def report(name, ok, detail=""):
    global failed
    failed += not ok
    print("PASS" if ok else "FAIL", name, detail)


async def main():
    async with Client(url, mode=mode) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        report(f"connects as {client.protocol_version} and lists tools", bool(tools), ", ".join(sorted(tools)))
        add = next((name for name in sorted(tools) if name.endswith("add")), None)
        report("has the tool add", add is not None)
        result = await client.call_tool(add, {"a": 2, "b": 40})
        text = "".join(block.text for block in result.content if block.type == "text")
        report("add", not result.is_error and "42" in text, text)


anyio.run(main)
sys.exit(1 if failed else 0)
