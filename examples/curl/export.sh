#!/bin/sh
# Saves a table: facilities (the default), occupancy-history, ledger, statistics or stays; as .csv, or with .xlsx in its
# name as a spreadsheet. For Excel in Italy: export.sh 'facilities.csv?dialect=excel-it'
set -eu

table=${1:-facilities.csv}
# To a file of its own name: half a table that broke off is removed, and says so.
exec curl --fail --silent --show-error --remote-name --remote-header-name --remove-on-error \
    --write-out '%{filename_effective} %{size_download} bytes\n' \
    ${TAVOLO_TOKEN:+--header "authorization: Bearer $TAVOLO_TOKEN"} \
    "${TAVOLO_URL:-http://127.0.0.1:8080}/export/$table"
