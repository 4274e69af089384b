"""What each state type makes of its fields."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from statemachines.interpreter.fields import INPUT, RESULT, RULE_FIELDS, STATE_TYPES, FieldLoader
from statemachines.interpreter.machine import Amount, Distribution, Integration, Machine, Rule, State

_RESOURCE = re.compile(r"arn:aws[a-z-]*:states:::([a-z0-9-]+(?::[a-z0-9-]+)?):([A-Za-z0-9]+(?:\.[A-Za-z0-9:]+)?)")
_LABEL = re.compile(r"[^\s?*<>{}\[\]:;,\\|^~$#%&`\"\x00-\x1f\x7f-\x9f]{1,40}")
"""https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html"""

_BATCHER_FIELDS = frozenset({"MaxItemsPerBatch", "MaxInputBytesPerBatch", "BatchInput"})
_INLINE = frozenset({"Items", "ItemSelector", "ItemProcessor", "MaxConcurrency"})
_CONFIG_FIELDS = frozenset({"Mode", "ExecutionType"})
_S3 = {
    "ItemReader": "Give the list in Items; an earlier Task can read it from where it is.",
    "ResultWriter": "Let the items' own Tasks write what they give, and keep the result small by Output.",
}


class StateLoader(FieldLoader):
    """Builds a state from its JSON."""

    def branch(self, path: str, asl: object, outer: frozenset[str]) -> Machine:
        raise NotImplementedError

    def state(self, path: str, name: str, asl: Mapping[str, Any], variables: frozenset[str]) -> State:
        kind = asl["Type"]
        language = asl.get("QueryLanguage", "JSONata" if self.jsonata else "JSONPath")
        if language != "JSONata":
            self.query_language(path, language)
        else:
            self.unknown_fields(path, asl, STATE_TYPES[kind])
        self.way_out(path, kind, asl)
        readable = RESULT if kind in ("Task", "Parallel", "Map") else INPUT
        state = State(name, kind, next=asl.get("Next"))
        state.output = self.template(path, asl, "Output", readable)
        state.assign = self.assignment(path, "", asl, readable)
        state.retriers = tuple(self.retrier(path, i, each) for i, each in self.entries(path, asl, "Retry"))
        state.catchers = tuple(self.catcher(path, i, each) for i, each in self.entries(path, asl, "Catch"))
        self.wildcards(path, "Retry", [each.errors for each in state.retriers])
        self.wildcards(path, "Catch", [each.errors for each in state.catchers])
        own = _OWN_FIELDS.get(kind)
        if own is not None:
            own(self, path, asl, state, variables)
        return state

    def task(self, path: str, asl: Mapping[str, Any], state: State, _: frozenset[str]) -> None:
        arn = asl.get("Resource")
        match = _RESOURCE.fullmatch(arn) if isinstance(arn, str) else None
        if match is None:
            self.report(
                f"{path}/Resource",
                f"The resource {arn!r} is no service integration.",
                value=arn,
                fix="Use arn:aws:states:::lambda:invoke with the function in Arguments/FunctionName.",
            )
        else:
            state.integration = Integration.of(match[0], match[1], match[2])
            state.waits = state.integration.waits
        state.arguments = self.template(path, asl, "Arguments", INPUT)
        state.timeout = self.amount(path, asl, "TimeoutSeconds", int)
        state.heartbeat = self.amount(path, asl, "HeartbeatSeconds", int)
        self.heartbeat_below_timeout(path, asl.get("HeartbeatSeconds"), asl.get("TimeoutSeconds"))

    def heartbeat_below_timeout(self, path: str, heartbeat: object, timeout: object) -> None:
        if isinstance(heartbeat, int) and isinstance(timeout, int) and heartbeat >= timeout:
            text = "HeartbeatSeconds is below TimeoutSeconds."
            self.report(f"{path}/HeartbeatSeconds", text, value=heartbeat, allowed=f"less than {timeout}")

    def choice(self, path: str, asl: Mapping[str, Any], state: State, _: frozenset[str]) -> None:
        state.next = asl.get("Default")
        rules = self.entries(path, asl, "Choices")
        if not rules:
            self.report(f"{path}/Choices", "A Choice has at least one rule.")
        state.rules = tuple(self.rule(path, index, rule) for index, rule in rules)

    def rule(self, path: str, index: int, asl: Mapping[str, Any]) -> Rule:
        place, prefix = f"{path}/Choices[{index}]", f"Choices[{index}]/"
        self.unknown_fields(place, asl, RULE_FIELDS)
        condition = self.amount(path, asl, "Condition", bool, prefix=prefix)
        if condition is None or "Next" not in asl:
            self.report(place, "A rule has a Condition and a Next.")
            condition = condition or Amount(lambda _: False, asl.get("Condition"))
        output = self.template(path, asl, "Output", INPUT, prefix)
        assign = self.assignment(path, prefix, asl, INPUT)
        return Rule(condition.template, condition.text, f"{prefix}Condition", str(asl.get("Next")), output, assign)

    def wait(self, path: str, asl: Mapping[str, Any], state: State, _: frozenset[str]) -> None:
        if ("Seconds" in asl) == ("Timestamp" in asl):
            self.report(path, "A Wait has either Seconds or Timestamp.", fix="Give one of the two.")
        state.seconds = self.amount(path, asl, "Seconds", int)
        state.timestamp = self.amount(path, asl, "Timestamp", str)

    def fail(self, path: str, asl: Mapping[str, Any], state: State, _: frozenset[str]) -> None:
        state.error = self.amount(path, asl, "Error", str)
        state.cause = self.amount(path, asl, "Cause", str)

    def parallel(self, path: str, asl: Mapping[str, Any], state: State, variables: frozenset[str]) -> None:
        state.arguments = self.template(path, asl, "Arguments", INPUT)
        branches = self.entries(path, asl, "Branches")
        if not branches:
            self.report(f"{path}/Branches", "A Parallel has at least one branch.")
        state.branches = tuple(self.branch(f"{path}/Branches[{i}]", each, variables) for i, each in branches)

    def map(self, path: str, asl: Mapping[str, Any], state: State, variables: frozenset[str]) -> None:
        for field, fix in _S3.items():
            if field in asl:
                self.report(f"{path}/{field}", f"{field} (S3) is not run by this interpreter.", fix=fix)
        processor = asl.get("ItemProcessor")
        config = processor.get("ProcessorConfig", {}) if isinstance(processor, dict) else {}
        if self.distributed(f"{path}/ItemProcessor/ProcessorConfig", config):
            state.distribution = self.distribution(path, asl)
            variables = frozenset()  # a child execution sees none of its parent's
        else:
            self.unknown_fields(path, {key: asl[key] for key in ("ItemBatcher", "Label") if key in asl}, _INLINE)
            for field in ("ToleratedFailureCount", "ToleratedFailurePercentage"):  # of no effect in INLINE mode
                self.amount(path, asl, field, (int, float))
        state.branches = (self.branch(f"{path}/ItemProcessor", processor, variables),)
        state.items = self.amount(path, asl, "Items", (list, dict))
        state.item_selector = self.template(path, asl, "ItemSelector", INPUT)
        state.max_concurrency = self.amount(path, asl, "MaxConcurrency", int)

    def distributed(self, path: str, config: object) -> bool:
        """Whether a Map's `ProcessorConfig` asks for the DISTRIBUTED mode."""
        if not isinstance(config, dict):
            self.report(path, "ProcessorConfig is an object.", value=config)
            return False
        self.unknown_fields(path, config, _CONFIG_FIELDS)
        mode, kind = config.get("Mode", "INLINE"), config.get("ExecutionType")
        if mode not in ("INLINE", "DISTRIBUTED"):
            self.report(f"{path}/Mode", f"There is no processor mode {mode!r}.", allowed=["INLINE", "DISTRIBUTED"])
        if mode == "DISTRIBUTED" and kind not in ("STANDARD", "EXPRESS"):
            text = "A processor in DISTRIBUTED mode names its ExecutionType."
            self.report(f"{path}/ExecutionType", text, value=kind, allowed=["STANDARD", "EXPRESS"])
        return bool(mode == "DISTRIBUTED")

    def distribution(self, path: str, asl: Mapping[str, Any]) -> Distribution:
        label = asl.get("Label")
        if label is not None and not (isinstance(label, str) and _LABEL.fullmatch(label)):
            text = "Label has 1 to 40 characters, none of them white space, a bracket, a wildcard or a special one."
            self.report(f"{path}/Label", text, value=label)
        tolerated = (
            self.amount(path, asl, "ToleratedFailureCount", int),
            self.amount(path, asl, "ToleratedFailurePercentage", (int, float)),
        )
        batcher = asl.get("ItemBatcher")
        if batcher is None:
            return Distribution(label, tolerated_count=tolerated[0], tolerated_percentage=tolerated[1])
        place, prefix = f"{path}/ItemBatcher", "ItemBatcher/"
        self.unknown_fields(place, batcher if isinstance(batcher, dict) else {}, _BATCHER_FIELDS)
        if not isinstance(batcher, dict) or not {"MaxItemsPerBatch", "MaxInputBytesPerBatch"} & batcher.keys():
            self.report(place, "An ItemBatcher has MaxItemsPerBatch, MaxInputBytesPerBatch, or both.", value=batcher)
            batcher = {}
        items = self.amount(path, batcher, "MaxItemsPerBatch", int, prefix=prefix)
        most = self.amount(path, batcher, "MaxInputBytesPerBatch", int, prefix=prefix)
        return Distribution(label, items, most, self.template(path, batcher, "BatchInput", INPUT, prefix), *tolerated)


_OWN_FIELDS: Mapping[str, Callable[[StateLoader, str, Mapping[str, Any], State, frozenset[str]], None]] = {
    "Task": StateLoader.task,
    "Choice": StateLoader.choice,
    "Wait": StateLoader.wait,
    "Fail": StateLoader.fail,
    "Parallel": StateLoader.parallel,
    "Map": StateLoader.map,
}
