/**
 * The table of complaints, kept: which rows there are, which of them tests elsewhere hold too (by file and title, so that a test
 * that is renamed is missed here), and that no row is without a test.
 */
import { readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"

const rows = 31

interface Held {
  readonly row: number
  /** The issues that the row answers. */
  readonly issues: string
  readonly file: string
  /** As it is written in the file. */
  readonly title: string
}

const held: ReadonlyArray<Held> = [
  {
    row: 1,
    issues: "dvc#1577, redun#99, prefect PR#16928",
    file: "test/hostile/edits.test.ts",
    title: "random edits are never served stale, and nothing runs that need not"
  },
  {
    row: 1,
    issues: "dvc#1577, dvc#9195, zenml#1011, zenml#3993, flyte#2899",
    file: "test/cache/code/CodeIdentity.test.ts",
    title: "after an edit of %s changes as it should"
  },
  {
    row: 3,
    issues: "smk#1694, dvc#3004",
    file: "test/cli/run.test.ts",
    title: "stops the ripple where outputs are the same"
  },
  {
    row: 5,
    issues: "joblib#952, joblib#896",
    file: "test/hostile/damage.test.ts",
    title: "with %s is told, and the next run is well"
  },
  {
    row: 7,
    issues: "turbo#1146, bazel#3360, nx#8828, voidzero-dev/vite-plus#39",
    file: "test/cli/edited.test.ts",
    title: "is told, its result is discarded, and the next run takes it in"
  },
  {
    row: 8,
    issues: "bazel#14543, bazel#6126, smk#3808",
    file: "test/cli/command.test.ts",
    title: "that fails is told with its exit code and last words, and what it left is not kept"
  },
  {
    row: 9,
    issues: "dvc#814, dvc#7615, dvc#6387, SCons#441, pnnl/hundo#16, smk#748",
    file: "test/hostile/crash.test.ts",
    title: "of a first run is healed by the next"
  },
  {
    row: 9,
    issues: "dvc#814, dvc#7615, dvc#6387, SCons#441, pnnl/hundo#16, smk#748",
    file: "test/hostile/crash.test.ts",
    title: "of a run over earlier results is healed by the next"
  },
  {
    row: 9,
    issues: "dvc#814, dvc#7615, dvc#6387, SCons#441, pnnl/hundo#16, smk#748",
    file: "test/hostile/processes.test.ts",
    title: "is healed by the next run (${kills} kills)"
  },
  {
    row: 10,
    issues: "nf#3986, targets#1233, smk#1497",
    file: "test/cache/store/Lock.test.ts",
    title: "is taken over at once when its owner is killed, and says whom it waited for"
  },
  {
    row: 11,
    issues: "dvc#10465, nx#28608, joblib#490, targets#368",
    file: "test/hostile/study.test.ts",
    title: "execute each step once, and both end well"
  },
  {
    row: 12,
    issues: "flyte#872",
    file: "test/hostile/processes.test.ts",
    title: "execute each step once (${processes} processes, ${rounds} rounds)"
  },
  {
    row: 14,
    issues: "turbo#10951, turbo#4566",
    file: "test/cli/run.test.ts",
    title: "puts back outputs that were deleted, edited or strayed in, without executing"
  },
  {
    row: 15,
    issues: "chrismatix/grog#155, SCons#1362, attunehq/hurry#24, kunobi-ninja/kache#971, turbo#7410",
    file: "test/core/run/TakeOutputs.test.ts",
    title: "come back as they were made: bytes, modes, links, empty folders, nothing more"
  },
  {
    row: 18,
    issues: "dvc#4634",
    file: "test/cli/history.test.ts",
    title: "refuses a run that is not there, and results that are gone, and changes nothing"
  },
  {
    row: 19,
    issues: "turbo#863, turbo#7029",
    file: "test/cache/store/Gc.test.ts",
    title: "drops the least recently used first to stay below the size limit"
  },
  {
    row: 20,
    issues: "turbo#4494, nx#18754, bazel#3026",
    file: "test/cli/run.test.ts",
    title: "tell states and reasons as JSON"
  },
  {
    row: 22,
    issues: "ziglang/zig#6082, apache/texera PR#7079",
    file: "test/cache/store/StatMemo.test.ts",
    title: "does not trust a file that was hashed in the tick in which it was written"
  },
  {
    row: 23,
    issues: "stepchowfun/toast#243",
    file: "test/cache/identity/CanonicalJson.test.ts",
    title: "depend on the tag and on the framing"
  },
  {
    row: 26,
    issues: "dagster#9847, kedro#5232",
    file: "test/core/pipeline/Pipeline.test.ts",
    title: "rejects what does not fit"
  },
  {
    row: 28,
    issues: "vtask#532, vtask#587, BuildFS",
    file: "test/cli/hermetic.test.ts",
    title: "fails when it does otherwise: %s"
  },
  {
    row: 28,
    issues: "vtask#532, vtask#587, BuildFS",
    file: "test/cli/hermetic.test.ts",
    title: "fails when it looks around: %s"
  },
  {
    row: 28,
    issues: "vtask#532, vtask#587, BuildFS",
    file: "test/cli/hermetic.test.ts",
    title: "starts programs only if it says so"
  },
  {
    row: 29,
    issues: "bazel#5877",
    file: "test/hostile/damage.test.ts",
    title: "finds a stage that is not deterministic, names the output, and leaves the result as it is"
  },
  {
    row: 30,
    issues: "dvc#8134, flyte#634",
    file: "test/stages/train.test.ts",
    title: "is out still when a training that had stopped is taken up at its last checkpoint"
  },
  {
    row: 31,
    issues: "dvc#9147, dvc#4211, dvc#5074, dvc#6783, dvc#7993",
    file: "test/stages/compare.test.ts",
    title: "has bands, scores seed by seed and verdicts over all"
  },
  {
    row: 31,
    issues: "dvc#9287",
    file: "test/cli/seeds.test.ts",
    title: "tell of replicas: status, why, --dry-run, dag"
  }
]

describe("held by a test elsewhere:", () => {
  for (const { row, issues, file, title } of held) {
    it(`${row} (${issues}): ${title}, in ${file}`, () => {
      const text = readFileSync(path.join(repository, file), "utf8")
      const quoted = [`"${title}"`, `\`${title}\``]
      expect(quoted.filter((each) => text.includes(each))).toHaveLength(1)
    })
  }
})

describe("the table", () => {
  it("has no row without a test", () => {
    const here = import.meta.dirname
    const texts = readdirSync(here)
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => readFileSync(path.join(here, name), "utf8"))
    // titles begin with the row and the first issue: `it("7 (turbo#1146, ...`
    const titled = texts.flatMap((text) =>
      Array.from(text.matchAll(/^\s*\)?\(?.*["`](\d+) \([\w-]+[#/ ]/gm), (match) => Number(match[1]))
    )
    const found = new Set([...titled, ...held.map(({ row }) => row)])
    expect([...found].sort((a, b) => a - b)).toEqual(Array.from({ length: rows }, (_, index) => index + 1))
  })
})
