# Free places in the Province of Crotone, as a notebook of cells (Jupyter, VS Code, Spyder) or as a script:
#
#   pip install -r requirements.txt
#   TAVOLO_URL=http://127.0.0.1:8080 TAVOLO_TOKEN=… python free_places.py

# %% Where the hub is, and who asks. Without a token everybody is the public, who may read coarse figures and watch no facility.
import os
from itertools import islice

import pandas as pd
from gql import Client, gql
from gql.transport.requests import RequestsHTTPTransport
from gql.transport.websockets import WebsocketsTransport
from matplotlib.figure import Figure

URL = os.environ.get("TAVOLO_URL", "http://127.0.0.1:8080")
TOKEN = os.environ.get("TAVOLO_TOKEN")
CHART = os.environ.get("TAVOLO_CHART", "free-places.png")
EVENTS = int(os.environ.get("TAVOLO_EVENTS", "3"))
AUTHORIZATION = {"authorization": f"Bearer {TOKEN}"} if TOKEN else {}

# %% Free places by municipality. The client reads the contract first, and checks the query against it.
#
# `precision` says how exactly the people are told to whoever asks: EXACT to members of the bodies at the table. Others are
# told the nearest step (ROUNDED, or BANDED of the day before) or nothing (WITHHELD, and the numbers are null). Steps do not
# add up, so the total of the province is asked for and not made of them. Where no category is named, they are told of the
# ordinary places alone.
FREE_PLACES = gql("""
    query FreePlaces {
      occupancy(groupBy: MUNICIPALITY) {
        municipality { istatCode name }
        capacity { allocable occupied reserved free precision }
      }
      province: occupancy(groupBy: PROVINCE) {
        capacity { allocable free precision }
      }
    }
""")
http = RequestsHTTPTransport(f"{URL}/graphql", headers=AUTHORIZATION, timeout=10)
with Client(transport=http) as session:
    answer = session.execute(FREE_PLACES)
places = pd.json_normalize(answer["occupancy"]).rename(columns=lambda name: name.split(".")[-1]).set_index("istatCode")
# Whole numbers stay whole where others are missing: what is not told is <NA>, and neither 0 nor NaN.
numbers = ["allocable", "occupied", "reserved", "free"]
places = places.astype(dict.fromkeys(numbers, "Int64"))
places["rate"] = (places["occupied"] / places["allocable"]).round(3)
print(places.sort_values("free", ascending=False).to_string())
total = answer["province"][0]["capacity"]
print(f"{len(places)} municipalities, {total['free']} free of {total['allocable']} places ({total['precision']})")

# %% The same as a chart, of what is told.
shown = places.sort_values("allocable").set_index("name")[["occupied", "reserved", "free"]].dropna().astype(int)
figure = Figure(figsize=(8, 5), layout="constrained")
shown.plot.barh(ax=figure.subplots(), stacked=True, color=["#004d99", "#7f8c99", "#8fc31f"], xlabel="places", ylabel="")
figure.savefig(CHART, dpi=150)
print(f"chart: {CHART}")

# %% Every change as it happens. First comes the state of each pool of places, then the changes. To an analyst, a change is
# what a whole day has changed in a pool, without a cause; of protected places the people are not told.
CHANGES = gql("""
    subscription Changes {
      occupancyChanged {
        cursor kind cause category
        facility { code municipality { name } }
        capacity { occupied free precision }
      }
    }
""")


def changes():
    """Yields changes of places, for as long as one asks for more."""
    url = URL.replace("http", "ws", 1) + "/graphql/ws"
    socket = WebsocketsTransport(url, init_payload=AUTHORIZATION)
    for message in Client(transport=socket).subscribe(CHANGES):
        event = message["occupancyChanged"]
        if event["kind"] == "CHANGED":
            yield event
        else:
            print("now", event["facility"]["code"], free(event["capacity"]), flush=True)


def free(capacity):
    """The free places in words. To an analyst they are those at the end of the day before."""
    return "free places not told" if capacity["free"] is None else f"{capacity['free']} free"


if TOKEN:
    for event in islice(changes(), EVENTS):
        facility = event["facility"]
        where = f"{facility['code']} in {facility['municipality']['name']}"
        print(f"{event['cause'] or 'a day'}: {where}, {free(event['capacity'])}", flush=True)
