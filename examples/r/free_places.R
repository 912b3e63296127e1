# Free places by municipality as a data frame:
#
#   TAVOLO_URL=http://127.0.0.1:8080 TAVOLO_TOKEN=… Rscript free_places.R
#
# Wants httr2 and jsonlite (Debian: r-cran-httr2, r-cran-jsonlite). The token is optional: these figures are public. How
# exactly the people among them are told, `precision` says: to the public in steps of five or ten, or not at all (NA);
# and of the ordinary places alone, where no category is named.

library(httr2)
library(jsonlite)

url <- Sys.getenv("TAVOLO_URL", "http://127.0.0.1:8080")
token <- Sys.getenv("TAVOLO_TOKEN")

ask <- function(query) {
  request <- request(paste0(url, "/graphql")) |>
    req_body_json(list(query = query)) |>
    req_timeout(10)
  if (nzchar(token)) request <- req_auth_bearer_token(request, token)
  answer <- fromJSON(resp_body_string(req_perform(request)), flatten = TRUE)
  if (!is.null(answer$errors)) stop(answer$errors$message[1])
  answer$data
}

answer <- ask("{
  occupancy(groupBy: MUNICIPALITY) {
    municipality { istatCode name }
    capacity { allocable occupied free precision }
  }
  province: occupancy(groupBy: PROVINCE) {
    capacity { allocable free precision }
  }
}")
places <- answer$occupancy
names(places) <- sub("^.*\\.", "", names(places))
places$rate <- round(places$occupied / places$allocable, 3)

print(places[order(-places$free), ], row.names = FALSE)
# Steps do not add up: the total of the province is asked for.
total <- answer$province
cat(nrow(places), "municipalities,", total$capacity.free, "free of", total$capacity.allocable, "places",
    paste0("(", total$capacity.precision, ")\n"))
