"""Every planted fault of the instrument, area by area."""

from __future__ import annotations

from harness.tests.planted import (
    faults_of_curves,
    faults_of_evidence,
    faults_of_intervals,
    faults_of_judges,
    faults_of_making,
    faults_of_quantities,
    faults_of_steering,
)
from harness.tests.planted.fault import Fault

FAULTS: tuple[Fault, ...] = (
    *faults_of_steering.FAULTS,
    *faults_of_making.FAULTS,
    *faults_of_intervals.FAULTS,
    *faults_of_curves.FAULTS,
    *faults_of_quantities.FAULTS,
    *faults_of_evidence.FAULTS,
    *faults_of_judges.FAULTS,
)
