"""AWS clients made by botocore and aiobotocore: where calls are intercepted, bodies of answers, errors."""
