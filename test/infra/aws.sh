#!/usr/bin/env bash
# The tests of this directory on a real AWS account instead of on emulators. It costs
# money, so everything is asked for: nothing is taken from a default.
#
#   AWS_TEST_REGION   eu-north-1 or eu-west-2
#   AWS_TEST_PREFIX   2 to 6 lower-case letters and digits that begin every name
#   AWS_TEST_ACCOUNT  the account's number; the credentials must be its
#   AWS_TEST_IMAGE, AWS_TEST_NEXT_IMAGE  two images that the account may pull, by digest
#   AWS_TEST_DOMAIN, AWS_TEST_ZONE_ID    a domain, and the public Route 53 zone that has it
#   AWS_TEST_CONFIRM  "spend" to go on after the expected cost has been printed
#   AWS_TEST_SWEEP=1  only destroy what an earlier run has left
set -euo pipefail
cd "$(dirname "$0")/../.."
stack=$PWD/.tools/stack

for variable in AWS_TEST_REGION AWS_TEST_PREFIX AWS_TEST_ACCOUNT AWS_TEST_IMAGE AWS_TEST_NEXT_IMAGE AWS_TEST_DOMAIN AWS_TEST_ZONE_ID; do
	if [ -z "${!variable:-}" ]; then
		echo "test-aws: $variable is not set; this is what it takes:" >&2
		sed -n '4,13s/^#   //p' "$0" >&2
		exit 2
	fi
done
export AWS_TEST_STATES=$PWD/test/artifacts/aws/$AWS_TEST_PREFIX
mkdir -p "$AWS_TEST_STATES"

# One directory stands at a time, as tests look at what is in the account. None costs
# much more than production, and six hours are long for all of them.
"$stack" setup go terraform moto >/dev/null
monthly=$("$stack" cost production --local --json | python3 -c '
import json, sys
found = [one["monthly"] for one in map(json.loads, sys.stdin) if "monthly" in one and "resources" in one]
print(found[-1])')
python3 - "$monthly" <<'PYTHON'
import sys
month = float(sys.argv[1])
print(f"test-aws: expected to cost about {month / 730 * 6:.2f} USD: six hours of what is {month:.0f} USD a month. "
      "Nothing is asked of AWS yet.")
PYTHON
if [ "${AWS_TEST_CONFIRM:-}" != spend ]; then
	echo 'test-aws: set AWS_TEST_CONFIRM=spend to go on' >&2
	exit 2
fi

sweep() {
	AWS_TEST_SWEEP=1 go test -count=1 -timeout 3h -run '^TestSweep$' ./test/infra || true
	echo "test-aws: what still bears the tag TestRun=$AWS_TEST_PREFIX (keys stay for their week):"
	for region in "$AWS_TEST_REGION" us-east-1; do
		aws resourcegroupstaggingapi get-resources --region "$region" --tag-filters "Key=TestRun,Values=$AWS_TEST_PREFIX" \
			--query 'ResourceTagMappingList[].ResourceARN' --output text
	done
}
if [ -n "${AWS_TEST_SWEEP:-}" ]; then
	sweep
	exit
fi
trap sweep EXIT
go test -count=1 -timeout 8h -parallel 1 -run '^Test(Shared|Dev|Production|.*Examples?)$' -v ./test/infra
