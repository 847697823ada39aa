import * as Result from "effect/Result"
import { describe, expect, it } from "vitest"
import * as ModuleSyntax from "../../../../cache/code/syntax/ModuleSyntax.ts"

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
      const c = import.meta.resolve("./near.bin"); const d = import.meta.resolve("font"); const e = other.resolve("none/x")`)
    expect(imports.map(({ specifier, by }) => [specifier, by])).toEqual([
      ["@scope/font/deep/file.ttf", "path"],
      ["font/", "path"],
      ["./near.bin", "url"],
      ["font", "path"]
    ])
  })

  const module = `import { createRequire as make } from "node:module"\nimport * as Node from "node:module"\n`

  // hermetic 03
  it.each([
    [
      `const load = make(import.meta.url); load("lut"); load.resolve("lut/l.json")`,
      ["lut", "native"],
      ["lut/l.json", "path"]
    ],
    [`const load = Node.createRequire(import.meta.filename); (load as any)(\`lut\`)`, ["lut", "native"]],
    [`make(import.meta.url)("./addon.node")`, ["./addon.node", "native"]],
    [`require.resolve("lut"); require("./near.cjs"); typeof require`, ["lut", "path"], ["./near.cjs", "require"]]
  ])("count what %s loads", (source, ...expected) => {
    expect(
      parse(module + source)
        .imports.slice(2)
        .map(({ specifier, by }) => [specifier, by])
    ).toEqual(expected)
  })

  // hermetic 01
  it("count files by URLs beside the module, and workers", () => {
    const { imports } =
      parse(`new URL("./lut.bin", import.meta.url); new URL("./a b.txt", base); new URL("https://x.org/", import.meta.url)
      new Worker(new URL("./w.ts", import.meta.url), { name }); new URL(\`./\${name}\`, import.meta.url)`)
    expect(imports.map(({ specifier, by }) => [specifier, by])).toEqual([
      ["./lut.bin", "url"],
      ["./w.ts", "worker"]
    ])
  })

  it.each([
    "const load = make(import.meta.url); load(name)",
    "const load = make(import.meta.url); require.resolve(`${name}`)",
    "import.meta.resolve(name)",
    "const load = make(import.meta.url); const other = load",
    "const load = make(import.meta.url); use({ load })",
    "const find = require.resolve",
    "process.dlopen(module, file)"
  ])("are refused in %s, with the place", (source) => {
    const result = ModuleSyntax.parse("module.ts", module + source)
    expect(Result.isFailure(result) && result.failure.message).toMatch(
      /^module\.ts:3:\d+: .* (?:cannot be|is not) followed\. \w/
    )
  })

  it("are not followed from another place than the module's own", () => {
    expect(
      parse(`${module}make(folder)("lut"); make(file)(file); make(import.meta.url).resolve.paths("x")`).imports
    ).toHaveLength(2)
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
    expect(Result.isFailure(result) && result.failure.file).toBe("module.ts:1:7")
  })
})

// pipelines 21, hermetic 25
describe("a JSON document", () => {
  const json = (text: string) => Result.getOrThrow(ModuleSyntax.parse("t.json", text)).declarations

  it("counts by its value and the order of its keys", () => {
    expect(json(`{ "a": 1,\n"b": [2] }`)).toEqual(json(`{"a":1,"b":[2]}`))
    expect(json(`{"b":[2],"a":1}`)).not.toEqual(json(`{"a":1,"b":[2]}`))
    expect(json("[1]")).not.toEqual(json("[2]"))
    expect(json(`{"__proto__":1}`)).not.toEqual(json("{}"))
  })

  it("that is none is refused", () => {
    const result = ModuleSyntax.parse("t.json", "{a: 1}")
    expect(Result.isFailure(result) && result.failure.message).toContain("t.json: expected JSON, but found")
  })
})

// hermetic 25
it("halves of characters in strings are no reason to refuse code, and count", () => {
  const [half, other] = [digests(String.raw`f("\ud83d")`), digests(String.raw`f("\ud83e")`)]
  expect(half).not.toEqual(other)
  expect(digests(String.raw`f("\\ud83d")`)).not.toEqual(half)
  expect(digests("f(`${x}\\ud83d`)")).toHaveLength(1)
})

// hermetic 04
it.each([
  ["readFileSync(new URL(import.meta.url))", true],
  ["f(import.meta.filename)", true],
  ["f(import.meta)", true],
  ["f(__filename)", true],
  [`new URL("", import.meta.url)`, true],
  ["Stage.make({ source: import.meta.url })", false],
  [`new URL("./x.txt", import.meta.url)`, false],
  ["f(import.meta.dirname)", false]
])("a module that may read its own text counts as it is: %s", (source, reads) => {
  expect(parse(source).ownText).toBe(reads)
})

// hermetic 06
describe("a module is inert", () => {
  it.each([
    "export const a = 1, b = -2, c = `x`, d = [1, { e: 2 }], f = a ? b : null",
    "export function f() { g() }\nexport const h = () => g()",
    "export default class A extends B { x = g(); static y = 1; static z() { g() } }",
    `import "./a.ts"; export { b } from "./b.ts"; export type T = 1`
  ])("if it only declares: %s", (source) => expect(parse(source).inert).toBe(true))

  it.each([
    "g()",
    "export const a = g()",
    "export const { a } = b",
    "export const a = b.c",
    "export const a = [...b]",
    "export const a = { [g()]: 1 }",
    "class A { static x = g() }",
    "class A { static { g() } }",
    "class A { [g()]() {} }",
    "@g class A {}",
    "class A extends g() {}",
    "export default g()",
    "x = 1",
    "new A()",
    "await g()"
  ])("and not if it does more: %s", (source) => expect(parse(source).inert).toBe(false))
})

// pipelines 35
it("of comments, those count that say how JSX is compiled", () => {
  const of = (source: string) => Result.getOrThrow(ModuleSyntax.parse("card.tsx", source))
  const plain = of("// a card\nexport const card = <b>1</b>")
  expect(plain.declarations).toHaveLength(1)
  const other = of("/** @jsxImportSource preact */\nexport const card = <b>1</b>")
  expect(other.declarations).toHaveLength(2)
  expect(other.imports).toEqual([{ specifier: "preact/jsx-runtime", names: "all" }])
})
