"""The task graph: tasks, resource groups and token pools as arrays, the one contract of families and engines."""

from attnsim.taskgraph.builder import GraphBuilder, graph_from_arrays
from attnsim.taskgraph.check import verify
from attnsim.taskgraph.nouns import (
    ANY_INSTANCE,
    NO_RESOURCE,
    PS_PER_S,
    Bools,
    Calendar,
    Int32,
    Int64,
    Kind,
    Links,
    Origin,
    Origins,
    Pool,
    Resource,
    TaskGraph,
    links_from,
    no_links,
    no_origins,
)

__all__ = [
    "ANY_INSTANCE",
    "NO_RESOURCE",
    "PS_PER_S",
    "Bools",
    "Calendar",
    "GraphBuilder",
    "Int32",
    "Int64",
    "Kind",
    "Links",
    "Origin",
    "Origins",
    "Pool",
    "Resource",
    "TaskGraph",
    "graph_from_arrays",
    "links_from",
    "no_links",
    "no_origins",
    "verify",
]
