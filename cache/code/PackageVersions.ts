/** PackageVersions: the packages that a stage reaches, as they appear in its key. */
import * as Digest from "../identity/Digest.ts"
import * as Framework from "./Framework.ts"
import type { Collected, Installed, Uses, Wired } from "./Packages.ts"

/** Package name -> `version integrity`; several installed versions of a name are joined by `, `. */
export type PackageVersions = Readonly<Record<string, string>>

const grouped = <A>(all: Iterable<A>, by: (each: A) => string): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const each of all) groups.set(by(each), [...(groups.get(by(each)) ?? []), each])
  return groups
}

/**
 * A text for each package, by folder: the same text for two packages that are equal in themselves and in all their
 * dependencies. It is refined by the texts of direct dependencies until no more packages are distinguished (colour
 * refinement).
 */
const kindsOf = ({ packages }: Collected): ReadonlyMap<string, string> => {
  let kinds = new Map(Array.from(packages, ([folder, { own }]) => [folder, `${own.name} ${own.identity}`]))
  const names = new Set(Array.from(packages.values(), ({ own }) => own.name))
  // distinct names need no refinement
  for (let count = names.size === kinds.size ? kinds.size : 0; count < new Set(kinds.values()).size; ) {
    count = new Set(kinds.values()).size
    const before = kinds
    const kindOf = (folder: string, { dependencies }: Wired): Digest.Digest => {
      const used = Array.from(dependencies, ([name, each]) => [name, before.get(each?.folder ?? "") ?? ""])
      const sorted = used.sort(([a = ""], [b = ""]) => (a < b ? -1 : 1))
      return Digest.ofJson("Kind/v1", [before.get(folder) ?? "", ...sorted])
    }
    kinds = new Map(Array.from(packages, ([folder, wired]) => [folder, kindOf(folder, wired)]))
  }
  return kinds
}

/**
 * The collected packages as a plain sorted record: name -> identity, several joined by `, `. Where a name is ambiguous,
 * further entries say which module or package imports which.
 */
export const of = (collected: Collected): PackageVersions => {
  const { packages, imports } = collected
  const kinds = kindsOf(collected)
  const all = Array.from(packages.values(), ({ own }) => own)
  const kindsAmong = (some: ReadonlyArray<Installed> = []): number =>
    new Set(some.map((each) => kinds.get(each.folder))).size
  const byIdentity = grouped(all, (each) => `${each.name} ${each.identity}`)
  /** Distinguishes packages that differ only in their dependencies. */
  const mark = (each: Installed): string =>
    kindsAmong(byIdentity.get(`${each.name} ${each.identity}`)) === 1 ? "" : ` #${kinds.get(each.folder)?.slice(0, 12)}`
  const users: ReadonlyArray<readonly [by: string, uses: Uses]> = [
    ...Array.from(imports, ([by, uses]) => [`in ${by}`, uses] as const),
    ...Array.from(packages.values(), ({ own, dependencies }) => {
      return [`of ${own.name} ${own.version}${mark(own)}`, dependencies] as const
    })
  ]
  const uses = users.flatMap(([by, used]) => Array.from(used, ([name, each]) => ({ by, name, used: each })))
  const missed = new Set(uses.flatMap(({ name, used }) => (used === undefined ? [name] : [])))
  const byName = grouped(all, (each) => each.name)
  const tellsAll = (name: string): boolean => kindsAmong(byName.get(name)) === 1 && !missed.has(name)

  const texts = new Map(Array.from(byName, ([name, some]) => [name, new Set(some.map((each) => each.identity))]))
  const add = (name: string, text: string): void => {
    texts.set(name, (texts.get(name) ?? new Set()).add(text))
  }
  for (const { by, name, used } of uses) {
    if (used === undefined) {
      if (byName.has(name)) add(`${name} (${by})`, "not installed")
    } else if (name !== used.name || !tellsAll(name)) {
      add(`${name} (${by})`, `${used.name} ${used.identity}${mark(used)}`)
    }
  }
  // not for the imports of packages: many are optional dependencies of other systems
  for (const names of imports.values()) {
    for (const [name, used] of names) if (used === undefined && !byName.has(name)) add(name, "not installed")
  }
  if (collected.hasFramework) texts.set(Framework.packageName, new Set([Framework.stageFormat]))
  const entries = Array.from(texts, ([name, some]) => [name, Array.from(some).sort().join(", ")] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
