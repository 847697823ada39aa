/**
 * The shape of what is published: publint and arethetypeswrong find nothing, the tarball stays small, and no file, export or
 * dependency of the repository is unused (knip).
 */
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { publint } from "publint"
import { beforeAll, describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"
import { packed } from "../lib/packed.ts"

const exec = promisify(execFile)

let bytes: Readonly<Record<"op-pipe" | "op-pipe-study", Uint8Array<ArrayBuffer>>>

beforeAll(async () => {
  const { framework, study } = await packed()
  const read = (file: string) => new Uint8Array(readFileSync(file))
  bytes = { "op-pipe": read(framework), "op-pipe-study": read(study) }
}, 300_000)

/** The most bytes that a tarball may have, a twentieth above what it has: what it grows by is to be wanted. */
const limits = [
  ["op-pipe", 353_000],
  ["op-pipe-study", 400_000]
] as const

describe.each(limits)("the package %s", (name, mostBytes) => {
  it("is small", () => {
    expect(bytes[name].length).toBeLessThan(mostBytes)
  })

  it("has nothing that publint would mend", async () => {
    const { messages } = await publint({ pack: { tarball: bytes[name].buffer }, strict: true })
    expect(messages).toEqual([])
  })

  it("has types that resolve wherever its modules do", async () => {
    const checked = await checkPackage(createPackageFromTarballData(bytes[name]))
    // The package is ESM only: from CommonJS it is imported, and TypeScript's old resolution (node10) does not know `exports`.
    const problems = (checked.types === false ? [{ kind: "NoTypes" as const }] : checked.problems).filter(
      (problem) =>
        problem.kind !== "CJSResolvesToESM" && !("resolutionKind" in problem && problem.resolutionKind === "node10")
    )
    expect(problems).toEqual([])
  })
})

describe("the repository", () => {
  it("has no unused file, export or dependency", async () => {
    const { stdout } = await exec(path.join(repository, "node_modules/.bin/knip"), ["--no-progress"], {
      cwd: repository
    }).catch((error: { readonly stdout: string }) => error)
    expect(stdout).toBe("")
  }, 60_000)
})
