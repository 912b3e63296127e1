import { defineConfig } from "vite";
import { purgeBootstrapItalia } from "./purge.ts";

export default defineConfig({
  // Relative, so that a reverse proxy may put the hub under any path.
  base: "./",
  plugins: [purgeBootstrapItalia(["index.html", "src/dashboard/**/*.ts"])],
  build: {
    rolldownOptions: {
      input: ["index.html", "graphiql/index.html"],
      // "use client" in GraphiQL's dependencies means nothing here.
      checks: { moduleLevelDirective: false },
    },
    // Every file with a hash in its name lies under one prefix: the hub can let browsers keep it for ever.
    assetsDir: "graphiql/assets",
    // Files, not data: URLs, so that the pages need less of the Content-Security-Policy.
    assetsInlineLimit: 0,
    // Whoever passes the bundle on must pass on the notices of what is in it.
    license: { fileName: "graphiql/licenses.md" },
    // Monaco is one chunk of 1.8 MB.
    chunkSizeWarningLimit: 2000,
  },
  worker: { format: "es" },
});
