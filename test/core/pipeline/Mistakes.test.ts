/**
 * Mistakes in wiring are errors of the compiler that a person can read: each line that `@ts-expect-error` stands above, in any test,
 * is compiled without it, and what the compiler says of it is short.
 */
import { execFile } from "node:child_process"
import { cpSync, globSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { expect, it } from "vitest"
import { temporaryFolder } from "../../lib/temporary.ts"

const repository = path.join(import.meta.dirname, "../../..")
const mark = "// @ts-expect-error"
/** Tests of the study and of bugs that are planted have other marks. */
const isOfPipelines = (file: string): boolean => /^test\/(cli|core)\//u.test(file) && !file.endsWith("Mistakes.test.ts")

/** What the compiler says of `files`, a mistake each: its place, and the lines. */
const said = async (root: string, files: ReadonlyArray<string>) => {
  const { compilerOptions } = JSON.parse(readFileSync(path.join(repository, "tsconfig.json"), "utf8"))
  writeFileSync(path.join(root, "tsconfig.json"), JSON.stringify({ compilerOptions, files }))
  const tsc = path.join(repository, "node_modules/typescript/bin/tsc")
  const run = promisify(execFile)(process.execPath, [tsc, "--pretty", "false"], { cwd: root })
  const { stdout } = await run.catch((error: { readonly stdout: string }) => error)
  return stdout
    .trimEnd()
    .split(/\n(?=\S)/u)
    .map((text) => ({ at: text.replace(/^([^(]+)\((\d+),.*$/su, "$1:$2"), lines: text.split("\n") }))
}

it("is told in a few lines, for each mistake there is a test of", async () => {
  const root = temporaryFolder()
  for (const name of readdirSync(repository).filter((each) => !["test", "tsconfig.json", ".git"].includes(each)))
    symlinkSync(path.join(repository, name), path.join(root, name))
  const expected: Array<string> = []
  const files = globSync("test/**/*.ts", { cwd: repository }).filter(isOfPipelines)
  cpSync(path.join(repository, "test"), path.join(root, "test"), { recursive: true })
  for (const file of files) {
    const lines = readFileSync(path.join(repository, file), "utf8").split("\n")
    for (const [index, line] of lines.entries()) if (line.trim().startsWith(mark)) expected.push(`${file}:${index + 2}`)
    mkdirSync(path.dirname(path.join(root, file)), { recursive: true })
    writeFileSync(path.join(root, file), lines.join("\n").replaceAll(mark, "// a mistake:"))
  }
  const mistakes = await said(
    root,
    files.filter((file) => expected.some((each) => each.startsWith(`${file}:`)))
  )
  expect(mistakes.map(({ at }) => at).sort()).toEqual(expected.sort())
  const long = mistakes.filter(({ lines }) => lines.length > 3)
  expect(mistakes.length - long.length).toBeGreaterThanOrEqual(45)
  // an artifact of another kind, through the port or the entries that hold it
  expect(long.map(({ lines }) => lines.at(-1)!.trim()).sort()).toEqual([
    `Type '"json"' is not assignable to type '"folder"'.`,
    `Type '"json"' is not assignable to type '"text"'.`
  ])
})
