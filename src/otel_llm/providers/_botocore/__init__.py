"""What instrumenting clients of botocore and aiobotocore needs: intercepting calls, watching bodies, errors."""
