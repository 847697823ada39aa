/**
 * screenshot: the first screen of the study's report, as `docs/pictures/report-light.png` and `report-dark.png`.
 *
 * `node scripts/screenshot.ts [REPORT]` takes `docs/example/report.html` unless another is named. It needs Chromium at /usr/bin/chromium, or where
 * the variable CHROMIUM says.
 */
import { mkdirSync } from "node:fs"
import * as path from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { chromium } from "playwright-core"
import sharp from "sharp"

const root = fileURLToPath(new URL("..", import.meta.url))
const report = path.resolve(process.argv[2] ?? path.join(root, "docs/example/report.html"))
const pictures = path.join(root, "docs/pictures")

mkdirSync(pictures, { recursive: true })
const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: ["--no-sandbox"]
})
try {
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await browser.newPage({ viewport: { width: 1200, height: 760 }, colorScheme })
    await page.goto(pathToFileURL(report).href)
    await page.waitForLoadState("load")
    const png = await page.screenshot()
    await sharp(png)
      .png({ palette: true, effort: 10 })
      .toFile(path.join(pictures, `report-${colorScheme}.png`))
    await page.close()
  }
} finally {
  await browser.close()
}
