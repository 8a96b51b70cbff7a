#!/usr/bin/env bash
# Everything that is tested, in order, cheapest first. What the machine lacks is
# put right by `stack setup`; nothing is left running and no tracked file changes.
set -uo pipefail
cd "$(dirname "$0")/.."
stack=$PWD/.tools/stack
failed=()

part() { # part NAME COMMAND...: runs one part and goes on when it fails
	local name=$1 begin=$SECONDS
	shift
	printf '\n== %s\n' "$name"
	if "$@"; then
		printf '== %s: passed in %ds\n' "$name" $((SECONDS - begin))
	else
		printf '== %s: FAILED after %ds\n' "$name" $((SECONDS - begin))
		failed+=("$name")
	fi
}

frontend() { (cd frontend && "$@"); }

go_packages() { # import paths below the given pattern, without the infrastructure's tests
	go list "$@" | grep -v '/test/\(infra\|stack\|browser\)'
}

test_go() { go test -timeout 15m $(go_packages ./service/... ./frontend ./test/...); }

printf '== setup\n'
if ! tools=$("$stack" setup go python terraform moto frontend page); then
	echo '== setup: FAILED' >&2
	exit 1
fi
export KERNEL_PYTHON=$PWD/.venv/bin/python
terraform=$(sed -n 's/^TERRAFORM=//p' <<<"$tools")
if [ -f test/browser/package.json ]; then
	if ! chromium=$("$stack" setup browser chromium); then
		echo '== setup: FAILED' >&2
		exit 1
	fi
	CHROMIUM=$(sed -n 's/^CHROMIUM=//p' <<<"$chromium")
	export CHROMIUM
fi

part 'go vet' go vet ./service/... ./frontend ./test/...
part 'actionlint' go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
part 'terraform fmt' "$terraform" fmt -check -recursive
part 'eslint' frontend npm run --silent lint
part 'vitest' frontend npm test --silent
part 'go test: service' test_go
part 'go test: infrastructure on the emulator' go test -timeout 25m ./test/infra/...
if compgen -G 'test/browser/*_test.go' >/dev/null; then
	part 'go test: the browser' go test -timeout 20m ./test/browser/...
fi
# Last, so that go test's own closing lines end the output.
part 'go test: the whole stack' go test -timeout 20m ./test/stack/...

echo
if [ ${#failed[@]} -gt 0 ]; then
	printf 'FAIL: %s\n' "${failed[*]}"
	exit 1
fi
echo 'PASS: everything'
