/** Peers that come from npm, at pinned versions, in a folder of their own. */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"

const versions = { turbo: "2.11.11", nx: "24.0.6", wireit: "0.14.13" }

/** Installs those that `only` names (all without it) below `base`; returns the folder. */
export const install = (base: string, only: ReadonlyArray<string> | undefined): string => {
  const tools = path.join(base, "tools")
  fs.mkdirSync(tools, { recursive: true })
  fs.writeFileSync(path.join(tools, "package.json"), "{}")
  const names = Object.entries(versions).flatMap(([name, version]) =>
    only === undefined || only.includes(name) ? [`${name}@${version}`] : []
  )
  if (names.length > 0) {
    const { status } = spawnSync("npm", ["install", "--no-audit", "--no-fund", ...names], {
      cwd: tools,
      stdio: "ignore"
    })
    if (status !== 0) console.error(`npm could not install ${names.join(", ")}: they are left out`)
  }
  return tools
}
