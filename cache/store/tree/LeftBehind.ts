/** LeftBehind: what systems and tools leave behind in any folder, by name. It is no part of what people put there. */

const leftBehind = new Set([
  // version control
  ...[".git", ".hg", ".svn"],
  // what macOS, Windows and Synology leave in folders that were looked at
  ...[".DS_Store", ".AppleDouble", ".Spotlight-V100", ".Trashes", ".fseventsd", "__MACOSX"],
  ...["Thumbs.db", "ehthumbs.db", "desktop.ini", "@eaDir"],
  // what tools write beside what they read
  ...["__pycache__", ".ipynb_checkpoints", ".op-pipe"]
])

/** Whether the last name of a path, with forward slashes, is one of these. */
export const is = (path: string): boolean => {
  const name = path.slice(path.lastIndexOf("/") + 1)
  // macOS keeps `._a.txt` beside `a.txt` where the file system has no other place for it
  return leftBehind.has(name) || name.startsWith("._")
}
