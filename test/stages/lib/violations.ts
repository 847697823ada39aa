/** What axe-core finds in a page of the study. */
import { existsSync, readFileSync } from "node:fs"
import * as path from "node:path"
import type { Page } from "playwright-core"
import { repository } from "../../lib/cli.ts"

const program = "/usr/bin/chromium"
/** Debian's browser, where it is installed. */
export const browser = existsSync(program) ? program : undefined

/** The sizes and settings of readers that pages are looked at with. */
export const readers = [
  { width: 1440, colorScheme: "light" },
  { width: 1440, colorScheme: "dark" },
  { width: 390, colorScheme: "light" },
  { width: 390, colorScheme: "dark" }
] as const

/** Rules that the opened page breaks, each with its first place. */
export const violations = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(readFileSync(path.join(repository, "node_modules/axe-core/axe.min.js"), "utf8"))
  return page.evaluate(
    "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.length}, ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary}`))"
  ) as Promise<ReadonlyArray<string>>
}
