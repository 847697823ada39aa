/**
 * The shape of what is published: publint and arethetypeswrong find nothing, the tarball stays small, and no file, export or
 * dependency of the repository is unused (knip).
 */
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core"
import { publint } from "publint"
import { beforeAll, describe, expect, it } from "vitest"
import { repository } from "../lib/cli.ts"
import { temporaryFolder } from "../lib/temporary.ts"

const folder = temporaryFolder()
const exec = promisify(execFile)

/** By how each is packed: the most that its tarball may weigh. */
const tarballs: ReadonlyArray<readonly [name: string, args: ReadonlyArray<string>, mostBytes: number]> = [
  ["op-pipe", ["pack"], 500_000]
]

let packed: Readonly<Record<string, Uint8Array<ArrayBuffer>>> = {}

beforeAll(async () => {
  for (const [name, args] of tarballs) {
    const place = path.join(folder, name)
    await exec("mkdir", ["-p", place])
    await exec("npm", [...args, "--pack-destination", place], { cwd: repository, maxBuffer: 2 ** 26 })
    const file = readdirSync(place).find((each) => each.endsWith(".tgz"))!
    packed = { ...packed, [name]: new Uint8Array(readFileSync(path.join(place, file))) }
  }
}, 300_000)

describe.each(tarballs)("the package %s", (name, _args, mostBytes) => {
  it("is small", () => {
    expect(packed[name]!.length).toBeLessThan(mostBytes)
  })

  it("has nothing that publint would mend", async () => {
    const { messages } = await publint({ pack: { tarball: packed[name]!.buffer }, strict: true })
    expect(messages).toEqual([])
  })

  it("has types that resolve wherever its modules do", async () => {
    const checked = await checkPackage(createPackageFromTarballData(packed[name]!))
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
