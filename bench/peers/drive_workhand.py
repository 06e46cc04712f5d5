"""Drive Workhand's context engine as a library: the loop is this file's, the requests are the engine's.

The system prompt is the executor's before the session's own, and the tools are the
recorded ones and the two with which an original is read back.  A stand-in summary
says nothing of what it stands for, so it is put into the form that the engine asks for.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from bench.peers.driving import MODEL, Run, Task, drive
from workhand.context import begin, tool
from workhand.context import openai as wire
from workhand.core.canonical import Json, encode
from workhand.core.events import ToolCall
from workhand.core.prompt import Prompt
from workhand.core.summary import open_goals
from workhand.tools.specs import specs

READ_BACK = ("file_read", "file_find")
NO_LIMIT = 1_000_000


def build(task: Task) -> Run:
    import httpx2

    prompt = (files("workhand.agents") / "prompts" / "executor.md").read_text("utf-8").strip()
    recorded = [tool(each.name, each.description, each.schema) for each in task.tools]
    context = begin(
        f"{prompt}\n\n{task.system}",
        [*recorded, *(spec for spec in specs() if spec.name in READ_BACK)],
        window=task.limit or NO_LIMIT,
    )
    runs = {each.name: each.run for each in task.tools}
    client = httpx2.Client(base_url=task.url, trust_env=False, timeout=60)

    def ask(fields: dict[str, Json]) -> dict[str, Any]:
        answer: dict[str, Any] = client.post("/chat/completions", content=encode({**fields, "model": MODEL})).json()
        return answer

    def summarize(asked: Prompt, _: str) -> str:
        said = ask(wire.request(asked))["choices"][0]["message"]["content"]
        goals: list[Json] = list(open_goals(context.log))
        return encode({"goals": goals, "state": said}).decode()

    def turn() -> None:
        while True:
            context.reduce(summarize)
            answer = ask(wire.request(context.prompt()))
            message = answer["choices"][0]["message"]
            made = [
                ToolCall(each["id"], each["function"]["name"], each["function"]["arguments"])
                for each in message.get("tool_calls") or ()
            ]
            calls = context.answer(message.get("content") or "", made, usage=wire.usage_of(answer["usage"]))
            if not calls:
                return
            for call in calls:
                context.result(call.id, runs[call.tool](json.loads(call.arguments)))

    def run() -> None:
        for said in task.said:
            context.user(said)
            turn()

    return run


if __name__ == "__main__":
    drive("workhand", build)
