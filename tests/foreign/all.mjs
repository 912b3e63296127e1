// All of them in one process, with one hub; each is a test file of its own, too.

import "./graphql-http.test.mjs";
import "./graphql-ws.test.mjs";
import "./transport-ws.test.mjs";
import "./graphql-sse.test.mjs";
import "./gql.test.mjs";
import "./validity.test.mjs";
import "./caches.test.mjs";
import "./contract.test.mjs";
import "./tools.test.mjs";
import "./restart.test.mjs";
