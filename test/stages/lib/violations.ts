/** Pages of the study in a browser, and what axe-core finds in them. */
import { existsSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core"
import { afterAll } from "vitest"
import { repository } from "../../lib/cli.ts"

const program = "/usr/bin/chromium"
/** Debian's browser, where it is installed. */
export const browser = existsSync(program) ? program : undefined

let running: Promise<Browser> | undefined
afterAll(async () => (await running)?.close())

/** What `use` makes of a page of its own, in the one browser of a test file. */
export const onPage = async <A>(options: BrowserContextOptions, use: (page: Page) => Promise<A>): Promise<A> => {
  running ??= chromium.launch({ executablePath: program, args: ["--no-sandbox"] })
  const context = await (await running).newContext(options)
  try {
    return await use(await context.newPage())
  } finally {
    await context.close()
  }
}

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
