#!/usr/bin/env bash
# Everything that is tested. What the machine lacks is put right by `stack setup`;
# nothing is left running and no tracked file changes.
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

# -count=1: what most of these tests depend on is not Go, and go's cache of
# results does not see it change.
test_go() { go test -count=1 -timeout 15m $(go_packages ./service/... ./frontend ./test/...); }

# fuzz gives each decoder of what others send a few seconds. Coverage guides it
# where building for that is cheap; the API has SQLite below it, which would take
# minutes.
fuzz() {
	local status=0 dir file package target
	dir=$(mktemp -d)
	while IFS=: read -r file target; do
		package=$(dirname "$file")
		printf '%s %s\n' "$package" "$target"
		if [ "$package" = service/internal/api ]; then
			[ -e "$dir/api.test" ] || go test -c -o "$dir/api.test" "./$package" || return 1
			(cd "$package" && "$dir/api.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime 3s -test.parallel 1 \
				-test.fuzzcachedir "$dir/$target") || status=1
		else
			go test -run '^$' -fuzz "^$target\$" -fuzztime 3s -parallel 1 "./$package" || status=1
		fi
	done < <(grep -roE '^func Fuzz[A-Za-z]+' --include='*_test.go' service | sed 's/func //')
	rm -rf "$dir"
	return $status
}

printf '== setup\n'
if ! tools=$("$stack" setup go python terraform moto frontend page browser chromium); then
	echo '== setup: FAILED' >&2
	exit 1
fi
export KERNEL_PYTHON=$PWD/.venv/bin/python
terraform=$(sed -n 's/^TERRAFORM=//p' <<<"$tools")
CHROMIUM=$(sed -n 's/^CHROMIUM=//p' <<<"$tools")
export CHROMIUM

part 'go vet' go vet ./service/... ./frontend ./test/...

# The infrastructure's tests mostly wait, for the fixed times that the AWS
# provider takes: they run beside the others, and their output comes last.
infra_log=$(mktemp)
infra_begin=$SECONDS
set -m # a process group of its own, so that all of it can be ended
go test -count=1 -timeout 60m ./test/infra/... >"$infra_log" 2>&1 &
infra=$!
set +m
trap 'kill -INT -- "-$infra" 2>/dev/null; rm -f "$infra_log"' EXIT
trap 'exit 130' INT TERM

part 'actionlint' go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
part 'terraform fmt' env -u TF_CLI_CONFIG_FILE "$terraform" fmt -check -recursive
part 'eslint' frontend npm run --silent lint
part 'vitest' frontend npm test --silent
part 'go test: service' test_go
part 'fuzz' fuzz
# Each raises a stack of its own and waits for much of its time.
part 'go test: the browser and the whole stack' go test -count=1 -timeout 30m -p 2 ./test/browser/... ./test/stack/...

infrastructure() {
	local status=0
	wait "$infra" || status=$?
	cat "$infra_log"
	return $status
}
part "go test: infrastructure on the emulator, begun $((SECONDS - infra_begin))s ago" infrastructure

echo
if [ ${#failed[@]} -gt 0 ]; then
	printf 'FAIL: %s\n' "${failed[*]}"
	exit 1
fi
echo 'PASS: everything'
