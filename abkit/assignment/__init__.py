"""Who sees which variant: the same answer from Python, from a batch and from SQL."""

from abkit.assignment.assigner import Assignment, BatchAssignment, TrafficAssigner
from abkit.assignment.hashing import Split, bucket, buckets, text_of

__all__ = ["Assignment", "BatchAssignment", "Split", "TrafficAssigner", "bucket", "buckets", "text_of"]
