"""Expressions must compile, and read only what is there when they are evaluated."""

import re
from collections.abc import Iterator

from shared.workflow.expressions import ExpressionError, compiled, source_of
from statemachines.compiler.compilation import Compilation
from statemachines.compiler.model import Graph, GraphNode
from statemachines.compiler.reads import expression_values, names_in
from statemachines.compiler.suggest import nearest

_ALWAYS = ("input", "execution")
_IN_LOOPS = ("item", "index")
_REBINDS = re.compile(r"\$([A-Za-z]\w*)\s*:=")


def expressions(compilation: Compilation) -> None:
    """Checks every text that may be an expression."""
    for graph in compilation.graph.all_graphs():
        for node in graph.nodes.values():
            for path, text in _texts(node):
                _text(compilation, graph, node, path, text)
        where = f"{graph.path}.output" if graph.path else "output"
        for path, text in _strings(graph.output, where):
            _text(compilation, graph, None, path, text)


def _texts(node: GraphNode) -> Iterator[tuple[str, str]]:
    if node.spec is None:
        return
    for field, value in expression_values(node.spec):
        yield from _strings(value, f"{node.path}.config.{field}")
    if node.spec.cache is not None:
        yield from _strings(node.spec.cache.key, f"{node.path}.cache.key")


def _strings(value: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, f"{path}[{index}]")


def _text(compilation: Compilation, graph: Graph, node: GraphNode | None, path: str, text: str) -> None:
    source = source_of(text)
    if source is None:
        _literal(compilation, node, path, text)
        return
    owner = node.id if node else None
    if hidden := _REBINDS.search(source):
        name = hidden[1]
        if name in (*_ALWAYS, *_IN_LOOPS) or name in compilation.nodes:
            message = f"The expression binds `${name}` anew, which hides what it stands for."
            fix = f"Bind another name, for example `$my_{name}`."
            at = hidden.start()
            compilation.error("expression.rebinds", path, message, node=owner, value=text, fix=fix, position=at)
            return
    try:
        names = names_in(source)
    except ExpressionError as error:
        several = "%}" in source
        fix = "Put one expression in the text and join the parts with `&`." if several else "Correct the expression."
        message = f"The expression does not compile: {error.message}"
        position = error.position
        compilation.error("expression.syntax", path, message, node=owner, value=text, fix=fix, position=position)
        return
    if compiled(source).reads_context:
        message = "The expression reads `$`, `$$` or a bare name, but there is no context item to read it from."
        fix = "Write `$input.name` for a member of the input, `$name` for a node's output."
        compilation.error("expression.context", path, message, node=owner, value=text, fix=fix)
    here = _Names(compilation, graph, graph.nodes[node.id] if node else None, path)
    for name in sorted(names):
        if problem := here.problem(name):
            code, message, fix = problem
            found = re.search(rf"\${re.escape(name)}(?!\w)", source)
            position = found.start() if found else None
            compilation.error(code, path, message, node=owner, value=f"${name}", fix=fix, position=position)


def _literal(compilation: Compilation, node: GraphNode | None, path: str, text: str) -> None:
    """Text with only one of the delimiters, or with both somewhere inside, is probably meant as an expression."""
    owner = node.id if node else None
    if text.startswith("{%") or text.endswith("%}"):
        message = "An expression begins with `{%` and ends with `%}`; one of them is missing or not at the edge."
        fix = "Write `{% … %}`, or take the delimiter out."
        compilation.error("expression.delimiters", path, message, node=owner, value=text, fix=fix)
    elif "{%" in text and "%}" in text:
        message = (
            "`{% … %}` inside other text stays as it is: only a text that is an expression as a whole is evaluated."
        )
        fix = "Write one expression, for example `{% 'Dear ' & $input.name %}`."
        compilation.warn("expression.partial", path, message, node=owner, value=text, fix=fix)


class _Names:
    """What one expression may name: outputs of nodes upstream, here and around each enclosing body."""

    def __init__(self, compilation: Compilation, graph: Graph, reader: GraphNode | None, path: str) -> None:
        self.compilation = compilation
        self.graph = graph
        self.reader = reader
        self.inside = self.looped(path)

    def looped(self, path: str) -> bool:
        """Whether `$item` and `$index` are there: in a loop's body, and in the condition of a `while` itself."""
        if self.reader and self.reader.spec and self.reader.spec.type == "loop" and path.endswith(".config.condition"):
            return True
        graph: Graph = self.graph
        while graph.owner is not None:
            if graph.owner.spec is not None and graph.owner.spec.type == "loop":
                return True
            graph = graph.owner.graph
        return False

    def problem(self, name: str) -> tuple[str, str, str] | None:
        """(code, message, fix) where `name` is not there."""
        if name in _ALWAYS or (name in _IN_LOOPS and self.inside):
            return None
        if name in _IN_LOOPS:
            fix = "Move the node into the loop's body, or read something else."
            return "name.outside_loop", f"`${name}` is there only in the body of a loop.", fix
        if name in self.compilation.nodes:
            return None if self.visible(name) else self.not_upstream(name)
        found = nearest(name, self.candidates())
        fix = f"Did you mean '${found}'?" if found else "Name $input, $execution, or a node upstream of this one."
        return "name.unknown", f"There is no `${name}` here.", fix

    def visible(self, name: str) -> bool:
        graph, reader = self.graph, self.reader
        while True:
            if name in graph.nodes:
                return reader is None or _leads(graph, name, reader.id)
            if graph.owner is None:
                return False
            reader, graph = graph.owner, graph.owner.graph

    def not_upstream(self, name: str) -> tuple[str, str, str]:
        reader = self.reader.id if self.reader else None
        if name == reader:
            return "name.itself", f"'{name}' reads its own output, which is not there yet.", "Read a node upstream."
        found = nearest(name, [each for each in self.candidates() if each != name])
        near = f" Or did you mean '${found}'?" if found else ""
        if not reader or name not in self.graph.nodes:
            message = f"`${name}` is a node inside another body; its output stays there."
            return "name.not_upstream", message, f"Give it out by that body's `output`.{near}"
        message = f"`${name}` is not upstream of '{reader}': nothing says that it runs first."
        return "name.not_upstream", message, f"Add edges that lead from '{name}' to '{reader}'.{near}"

    def candidates(self) -> list[str]:
        names = [*_ALWAYS, *(_IN_LOOPS if self.inside else ())]
        return names + [each for each in self.compilation.nodes if self.visible(each)]


def _leads(graph: Graph, source: str, target: str) -> bool:
    """Whether `source` is upstream of `target`. On a cycle, which is reported, everything may be."""
    if target not in graph.upstream or source not in graph.upstream:
        return source != target
    return bool(graph.upstream[target] >> graph.position[source] & 1)
