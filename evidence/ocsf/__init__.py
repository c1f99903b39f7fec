"""Every event kind as a valid OCSF 1.8.0 object (https://schema.ocsf.io/1.8.0).

Two of OCSF's conventions matter to readers: times are milliseconds, and traffic is counted from source to
destination. `unmapped.vedette` has the host's own view, with nanoseconds and the argv array.
"""

from .event import VERSION, Origin, class_of, to_ocsf

__all__ = ["VERSION", "Origin", "class_of", "to_ocsf"]
