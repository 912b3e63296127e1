import { PurgeCSS } from "purgecss";
import type { Plugin } from "vite";

/**
 * Keeps of Bootstrap Italia's style sheet what the dashboard uses; the whole is 600 kB.
 *
 * Its pictures in `data:` URLs go as well: the Content-Security-Policy of the page does not allow any.
 */
export function purgeBootstrapItalia(content: string[]): Plugin {
  return {
    name: "purge-bootstrap-italia",
    enforce: "pre",
    async transform(raw, id) {
      if (!id.endsWith("/bootstrap-italia.min.css")) return null;
      const [purged] = await new PurgeCSS().purge({
        content,
        css: [{ raw }],
        variables: true,
        keyframes: true,
        fontFace: true,
        defaultExtractor: classesAndTags,
      });
      return purged!.css.replaceAll(/[\w-]+:\s*url\(["']?data:[^)]*\)[^;}]*;?/g, "");
    },
  };
}

/** What stands in quotes may be a class or a tag; the rest of a source is no style. */
function classesAndTags(source: string): string[] {
  return [...source.matchAll(/["'`]([^"'`\n]*)["'`]/g)].flatMap(([, quoted]) => quoted!.match(/[\w-]+/g) ?? []);
}
