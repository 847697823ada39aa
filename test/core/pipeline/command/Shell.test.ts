/** The programs that a command's text names. */
import { expect, it } from "vitest"
import { argumentsOf, programsIn } from "../../../../core/pipeline/command/Shell.ts"

const bash = ["bash", "-euo", "pipefail"]

it.each([
  [`tr -s ' ' '\\n' < "$text" | sort | uniq -c > "$counts"`, ["tr", "sort", "uniq"]],
  [`while read -r n w; do echo "$n" > "$parts/$w.txt"; done < "$counts"`, []],
  [`A=1 python3 "$x" 2>&1 && (cd a; make -j2) || ! gcc -c x.c`, ["python3", "make", "gcc"]],
  [`X=$(date +%s); echo "$(uname -a | wc -l)" # foo | bar`, ["date", "uname", "wc"]],
  [`f() { ls; }; f; case "$x" in a|b) cat c;; *) dog;; esac`, ["ls", "cat", "dog"]],
  [`for i in a b; do awk '{ print; foo }' x; done`, ["awk"]],
  ["cat <<EOF > x\nrm -rf\nEOF\nif [ -e x ]; then head x; fi", ["cat", "head"]],
  ["exec env foo; `whoami`; $prog x; ./run.sh; echo a \\\n  b", ["env", "whoami", "./run.sh"]],
  ["echo $((1 + $n)) >&2 2>/dev/null; [[ a < b ]] && perl -e 1", ["perl"]]
])("of %j are %j", (text, programs) => expect(programsIn(bash, text)).toEqual(["bash", ...programs]))

it("are the shell alone where it is none that is known", () => {
  expect(programsIn(["node"], "require('fs')")).toEqual(["node"])
  expect(programsIn(argumentsOf("sh"), "true")).toEqual(["sh"])
})
