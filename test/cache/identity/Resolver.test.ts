import * as path from "node:path"
import { describe, expect, it } from "vitest"
import * as Resolver from "../../../cache/identity/Resolver.cjs"
import { temporaryFolder, writeFiles } from "../../lib/temporary.ts"

describe("an alias that leads to no file", () => {
  // pipelines 24
  it("is a package's name, and where it leads is said if there is no such package", () => {
    const folder = temporaryFolder()
    writeFiles(folder, { "tsconfig.json": `{"compilerOptions":{"paths":{"@/*":["./lib/*"]}}}` })
    const found = Resolver.make(Resolver.lookAtDisk()).resolve({ specifier: "@/none.js", folder })
    const tried = path.join(folder, "lib/none.js")
    expect(found).toMatchObject({ type: "package", name: "@/none.js", tried })
    expect(Resolver.notInstalled({ name: "@/none.js", tried, folder })).toContain(
      `lead to ${tried}, where there is no file`
    )
    expect(Resolver.notInstalled({ name: "x", tried: undefined, folder })).toContain("npm install x")
  })

  it("is told with Yarn's setting where Plug'n'Play keeps the packages", () => {
    const folder = temporaryFolder()
    writeFiles(folder, { ".pnp.cjs": "", "stages/a.ts": "" })
    const asked = { name: "x", tried: undefined, folder: path.join(folder, "stages") }
    expect(Resolver.notInstalled(asked)).toContain('Put "nodeLinker: node-modules" into .yarnrc.yml')
  })
})

it("notes all that an answer hangs on, also what is not there", () => {
  const folder = temporaryFolder()
  writeFiles(folder, { "m.ts": "", "tsconfig.json": "{}" })
  const noted: Array<string> = []
  const { resolve } = Resolver.make(Resolver.lookAtDisk((file) => noted.push(path.relative(folder, file))))
  expect(resolve({ specifier: "./m.js", folder })).toEqual({
    type: "file",
    file: path.join(folder, "m.ts"),
    isAlias: false
  })
  expect(noted).toEqual(["m.js", "m.ts"])
})

it("says where an import stands", () => {
  const text = `// "./a.ts"\nimport b from "./b.ts"\nconst a = await import("./a.ts")`
  expect(Resolver.placeOfImport("f.ts", text, "./a.ts")).toBe("f.ts:3:24")
  expect(Resolver.placeOfImport("f.ts", text, "./c.ts")).toBe("f.ts")
})
