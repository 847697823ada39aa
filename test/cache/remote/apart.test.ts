/** A run without a shared cache loads nothing of it but what a run knows it by. */
import { readdirSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { expect, it } from "vitest"
import { repository } from "../../lib/cli.ts"

it("is loaded where it is used, and else by its types alone", () => {
  const files = ["bin", "cache", "core", "cli"].flatMap((folder) =>
    readdirSync(path.join(repository, folder), { recursive: true, encoding: "utf8" })
      .map((name) => `${folder}/${name}`)
      .filter((name) => /\.[cm]?[jt]s$/u.test(name) && !name.startsWith("cache/remote/"))
  )
  const imports = files.flatMap((file) => {
    const text = readFileSync(path.join(repository, file), "utf8")
    const found = text.matchAll(/^(import|export) (type )?[^\n]*?(?:\{[^}]*\} )?from "([^"]*cache\/remote\/[^"]+)"/gmu)
    return Array.from(found, ([, , type, from]) => ({ file, isType: type !== undefined, from: from! }))
  })
  expect(imports.length).toBeGreaterThan(4)
  const loaded = imports.filter(({ isType, from }) => !isType && !from.endsWith("/RemoteCache.ts"))
  expect(loaded).toEqual([])
})
