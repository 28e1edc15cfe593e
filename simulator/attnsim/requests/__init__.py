"""Requests of different lengths, read from a file or drawn from a trace spec: decode batches, and arrivals in time.

`load_requests` makes a batch, `load_arrivals` requests with arrival times; both take a name or a path.
"""

from attnsim.requests.arrival_trace import ArrivalTrace as ArrivalTrace
from attnsim.requests.arrivals import is_arrival_file as is_arrival_file
from attnsim.requests.arrivals import load_arrivals as load_arrivals
from attnsim.requests.batch import is_trace_file as is_trace_file
from attnsim.requests.batch import load_requests as load_requests
from attnsim.requests.request import DecodeRequest as DecodeRequest
from attnsim.requests.request import largest_keys as largest_keys
from attnsim.requests.request import mean_keys as mean_keys
