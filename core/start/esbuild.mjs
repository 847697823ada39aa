/**
 * esbuild: its process, for as long as bundles are made.
 *
 * The process reads the sources and ends soon after, so Go's collector need not begin before there is much: collecting took it a third of
 * its time. It has 250 MB then, which a run that goes on for hours does not keep.
 */

const collectingLate = { GOGC: "off", GOMEMLIMIT: "400MiB" }

/** Starts the process, with those variables where the user has none of their names. */
const begin = (esbuild) => {
  const own = Object.keys(collectingLate).filter((name) => process.env[name] === undefined)
  for (const name of own) process.env[name] = collectingLate[name]
  esbuild.initialize({})
  for (const name of own) delete process.env[name]
}

let inUse = 0

/** What `use` gives of esbuild. */
export const withEsbuild = async (use) => {
  const esbuild = await import("esbuild")
  if (inUse++ === 0) begin(esbuild)
  try {
    return await use(esbuild)
  } finally {
    if (--inUse === 0) await esbuild.stop()
  }
}
