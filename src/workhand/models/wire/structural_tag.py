"""A mask for servers that decode under a structural tag: vLLM and SGLang, with XGrammar.

The tool list stays in the prompt as it is, and ``tool_choice`` stays ``auto``, so that
no chat template can render it; what may be decoded behind the mark of a call is
one of the allowed ones, its arguments by their schema.  The calls have the form
that Hermes and Qwen models were trained on, which the servers' tool parser of the name
``hermes`` reads.  Built from the documentation of XGrammar ("Structural Tag"), vLLM
("Structured Outputs") and SGLang ("Structural Tag"); not verified against either server.
"""

from __future__ import annotations

import json
from functools import lru_cache

from workhand.core.canonical import Json
from workhand.core.mask import Mask
from workhand.models.wire.pieces import definitions, properties

OPENING, CLOSING = "<tool_call>", "</tool_call>"


@lru_cache(maxsize=256)
def structural_tag(tools: bytes, mask: Mask) -> str:
    """Give the tag as JSON text, for the tools in the body's first piece; under ``auto`` it lets words through.

    The keys of a schema keep the order in which a model is to write them.
    """
    tags: list[Json] = [
        {
            "begin": f'{OPENING}\n{{"name": {json.dumps(tool.name)}, "arguments": ',
            "content": {
                "type": "json_schema",
                "json_schema": {**tool.parameters, "properties": dict(properties(tool.parameters))},
            },
            "end": f"}}\n{CLOSING}",
        }
        for tool in definitions(tools)
        if mask.allows(tool.name)
    ]
    form: Json = {
        "type": "triggered_tags",
        "triggers": [OPENING],
        "tags": tags,
        "at_least_one": mask.mode != "auto",
        "stop_after_first": True,
    }
    return json.dumps({"type": "structural_tag", "format": form}, ensure_ascii=False)
