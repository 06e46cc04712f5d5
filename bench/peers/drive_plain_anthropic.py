"""Drive the bare Anthropic SDK: a loop that only appends."""

from __future__ import annotations

from typing import Any

from bench.peers.driving import KEY, MODEL, Run, Task, drive

ANSWER_TOKENS_MAX = 32_000


def build(task: Task) -> Run:
    from anthropic import Anthropic

    client = Anthropic(base_url=task.url.removesuffix("/v1"), api_key=KEY, timeout=600)
    runs = {tool.name: tool.run for tool in task.tools}
    tools = [{"name": tool.name, "description": tool.description, "input_schema": tool.schema} for tool in task.tools]
    messages: list[Any] = []

    def run() -> None:
        for said in task.said:
            messages.append({"role": "user", "content": said})
            turn()

    def turn() -> None:
        while True:
            answer = client.messages.create(
                model=MODEL, system=task.system, messages=messages, tools=tools, max_tokens=ANSWER_TOKENS_MAX
            )
            messages.append({"role": "assistant", "content": [part.model_dump() for part in answer.content]})
            calls = [part for part in answer.content if part.type == "tool_use"]
            if not calls:
                return
            results = [
                {"type": "tool_result", "tool_use_id": call.id, "content": runs[call.name](call.input)}
                for call in calls
            ]
            messages.append({"role": "user", "content": results})

    return run


if __name__ == "__main__":
    drive("anthropic", build)
