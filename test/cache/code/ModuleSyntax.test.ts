import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as ModuleSyntax from "../../../cache/code/ModuleSyntax.ts"

const parse = (source: string): ModuleSyntax.ModuleSyntax => Result.getOrThrow(ModuleSyntax.parse("module.ts", source))
const digests = (source: string): ReadonlyArray<string> => parse(source).declarations.map((each) => each.digest)

const base = `
import { add } from "./add.ts"
export const limit = 3
export class Box { #held = 1; get(key?: string) { return this.#held + (key?.length ?? 0) } }
export function grow(x) { return add(x as number, limit) }
`

describe("what does not count", () => {
  it.each([
    ["comments", base.replace("export const", "/* three */ export const /* of them */")],
    ["line breaks and spaces", base.replace("(x)", "(\n  x\n)").replace("limit = 3", "limit   =   3;")],
    ["quotes and semicolons", base.replace(`"./add.ts"`, `'./add.ts';`)],
    ["a parenthesis more", base.replace("return add(x as number, limit)", "return (add((x), limit))")],
    ["a type annotation", base.replace("grow(x)", "grow(x: number): number")],
    ["an interface and a type", `${base}\ninterface Shape { readonly side: number }\nexport type Side = Shape["side"]`],
    ["a type import", `import type { Far } from "./far.ts"\n${base}`],
    ["a type among imports", base.replace("{ add }", "{ add, type Sum }")],
    ["satisfies and !", base.replace("x as number", "x! satisfies number")],
    ["a numeric literal written otherwise", base.replace("limit = 3", "limit = 0x3")],
    ["a declared field", base.replace("#held = 1;", "declare label: string; #held = 1;")]
  ])("%s", (_what, source) => {
    expect(digests(source)).toEqual(digests(base))
  })
})

describe("what counts", () => {
  it.each([
    ["a constant", base.replace("= 3", "= 4"), "limit"],
    ["an operator", base.replace("+ (", "- ("), "Box"],
    ["an optional chain", base.replace("key?.length", "key.length"), "Box"],
    ["a string", base.replace("./add.ts", "./sum.ts"), 'import of "./add.ts"'],
    ["a regular expression's flags", `${base.replace("= 3", "= /a/g")}`, "limit"],
    ["a bigint", base.replace("= 3", "= 3n"), "limit"],
    ["a template's raw text", base.replace("= 3", "= String.raw`\\n`"), "limit"]
  ])("%s", (_what, source, name) => {
    const before = parse(base).declarations
    const after = parse(source).declarations
    const changed = before.filter((each, index) => after[index]?.digest !== each.digest)
    expect(changed.map((each) => each.name)).toEqual([name])
  })

  it("literals that JSON cannot hold", () => {
    expect(digests("f(1e400)")).not.toEqual(digests("f(1e300)"))
    expect(digests("f(/a/)")).not.toEqual(digests("f(/b/)"))
    expect(digests("f(1n)")).not.toEqual(digests("f(2n)"))
    expect(digests("f(1n)")).not.toEqual(digests("f(1)"))
  })
})

it("functions and lists of exports are the same wherever they stand, and nothing else is", () => {
  const { declarations } = parse(`
    function a() {}; export async function b() {}; export default function () {}; export { a }
    const c = () => 1; class D {}; import "./e.ts"; export { f } from "./f.ts"; g()`)
  expect(declarations.map(({ hoisted }) => hoisted === true)).toEqual([
    ...[true, true, true, true],
    ...[false, false, false, false, false]
  ])
  expect(parse("export default a").declarations[0]?.hoisted).toBeUndefined()
})

describe("imports", () => {
  it("are listed with the names they take, dynamic ones too", () => {
    const { imports } = parse(`
      import only from "./a.ts"; import * as all from "./b.ts"; import { c as d } from "./c.ts"
      import "./effect.ts"; export { e } from "./e.ts"; const f = () => import("./f.ts")`)
    expect(imports).toEqual([
      { specifier: "./a.ts", names: ["default"] },
      { specifier: "./b.ts", names: "all" },
      { specifier: "./c.ts", names: ["c"] },
      { specifier: "./effect.ts", names: "all" },
      { specifier: "./e.ts", names: ["e"] },
      { specifier: "./f.ts", names: "all" }
    ])
  })

  it("lists packages whose files are resolved, where their names are written out", () => {
    const { imports } = parse(`
      const a = () => import.meta.resolve("@scope/font/deep/file.ttf"); const b = import.meta.resolve(\`font/\${name}.ttf\`)
      const c = import.meta.resolve("./near.bin"); const d = import.meta.resolve(name); const e = other.resolve("none/x")`)
    expect(imports.map((each) => each.specifier)).toEqual(["@scope/font/deep/file.ttf", "font/"])
  })

  it.each(["import(name)", "import(`./$" + "{name}.ts`)", "require(name)"])(
    "refuses %s, which cannot be followed",
    (source) => {
      const result = ModuleSyntax.parse("module.ts", source)
      expect(Result.isFailure(result) && result.failure.message).toContain("cannot be followed")
    }
  )

  it.each([`import a = require("./a.ts")`, `export import a = require("./a.ts")`])(
    "refuses %s, which another loader would follow",
    (source) => {
      const result = ModuleSyntax.parse("module.ts", source)
      expect(Result.isFailure(result) && result.failure.message).toContain("is not followed")
    }
  )

  it("says where a module does not parse", () => {
    const result = ModuleSyntax.parse("module.ts", "const = 3")
    expect(Result.isFailure(result) && result.failure.file).toBe("module.ts")
  })
})
