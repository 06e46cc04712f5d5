"""Drive the bare OpenAI SDK: a loop that only appends."""

from __future__ import annotations

import json
from typing import Any

from bench.peers.driving import KEY, MODEL, Run, Task, drive


def build(task: Task) -> Run:
    from openai import OpenAI

    client = OpenAI(base_url=task.url, api_key=KEY)
    runs = {tool.name: tool.run for tool in task.tools}
    tools = [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": tool.schema},
        }
        for tool in task.tools
    ]
    messages: list[Any] = [{"role": "system", "content": task.system}]

    def run() -> None:
        for said in task.said:
            messages.append({"role": "user", "content": said})
            turn()

    def turn() -> None:
        while True:
            answer = client.chat.completions.create(model=MODEL, messages=messages, tools=tools).choices[0].message
            messages.append(answer.model_dump(exclude_none=True))
            if not answer.tool_calls:
                return
            for call in answer.tool_calls:
                result = runs[call.function.name](json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": result})

    return run


if __name__ == "__main__":
    drive("openai", build)
