"""What verdicts say in sum: rates with intervals, rates corrected for a judge's errors, and evidence for alarms."""
