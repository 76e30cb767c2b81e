#!/usr/bin/env python3
"""Tests of the charts, of deploy/ and of what is made from them. Needs helm, kubectl and judge (e2e/cluster/judge) on PATH, and PyYAML.

    test.py              what needs no cluster
    test.py cluster      what asks an API server; KUBECONFIG names it. It needs no nodes. What is made there is removed again.
"""
import sys

from tests import alone, cluster  # alone: for its checks
from tests.common import CHECKS


def main(tier=""):
    failed = 0
    for function in CHECKS[tier]:
        try:
            function()
            print(f"ok   {function.__name__}", flush=True)
        except AssertionError as error:
            failed += 1
            print(f"FAIL {function.__name__}\n{error}", flush=True)
    print(f"charts {tier}: {len(CHECKS[tier]) - failed} of {len(CHECKS[tier])} passed")
    return failed


if sys.argv[1:] == ["cluster"]:
    with cluster.Stage():
        result = main("cluster")
    sys.exit(result and 1)
elif not sys.argv[1:]:
    sys.exit(main() and 1)
else:
    sys.exit(__doc__)
