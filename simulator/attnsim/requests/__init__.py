"""Batches of decode requests whose contexts differ in length: read from a trace file, or drawn from published lengths.

`load_requests` takes either by name or path.
"""

from attnsim.requests.batch import TRACES as TRACES
from attnsim.requests.batch import is_trace_file as is_trace_file
from attnsim.requests.batch import load_requests as load_requests
from attnsim.requests.request import DecodeRequest as DecodeRequest
from attnsim.requests.request import largest_keys as largest_keys
from attnsim.requests.request import mean_keys as mean_keys
