#!/bin/sh
# Free places by municipality, for anybody: coarsely, as `precision` says. With TAVOLO_TOKEN as the member it names, who is
# told the exact numbers as a body at the table.
set -eu

exec curl --fail --silent --show-error --max-time 10 "${TAVOLO_URL:-http://127.0.0.1:8080}/graphql" \
    ${TAVOLO_TOKEN:+--header "authorization: Bearer $TAVOLO_TOKEN"} \
    --header 'content-type: application/json' \
    --data '{"query": "{ occupancy(groupBy: MUNICIPALITY) { municipality { name } capacity { allocable free precision } } }"}'
