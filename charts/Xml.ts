/** Text in SVG and HTML. */

/** Text as markup. */
export const escapeXml = (text: string): string => text.replace(/[&<>"']/gu, (c) => `&#${c.charCodeAt(0)};`)
