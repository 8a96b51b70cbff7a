#!/usr/bin/env bash
# Gets GitHub's proof of who this job is and leaves it where AWS's tools look for it:
# with AWS_ROLE_ARN they take the role by themselves. Valid for minutes, so get it
# right before it is needed.
set -euo pipefail
: "${AWS_ROLE_ARN:?is not set: give the environment the role's ARN as a variable}"
umask 077
file=$RUNNER_TEMP/aws-oidc-token
curl --silent --show-error --fail -H "authorization: bearer $ACTIONS_ID_TOKEN_REQUEST_TOKEN" \
	"$ACTIONS_ID_TOKEN_REQUEST_URL&audience=sts.amazonaws.com" |
	python3 -c 'import json, sys; print(json.load(sys.stdin)["value"], end="")' >"$file"
echo "AWS_WEB_IDENTITY_TOKEN_FILE=$file" >>"$GITHUB_ENV"
