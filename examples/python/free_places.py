# Free places in the Province of Crotone, as a notebook of cells (Jupyter, VS Code, Spyder) or as a script:
#
#   pip install -r requirements.txt
#   TAVOLO_URL=http://127.0.0.1:8080 TAVOLO_TOKEN=… python free_places.py

# %% Where the hub is, and who asks. Without a token everybody is the public, who may read figures and watch nothing.
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
FREE_PLACES = gql("""
    query FreePlaces {
      occupancy(groupBy: MUNICIPALITY) {
        municipality { istatCode name }
        capacity { allocable occupied reserved free }
      }
    }
""")
http = RequestsHTTPTransport(f"{URL}/graphql", headers=AUTHORIZATION, timeout=10)
with Client(transport=http) as session:
    groups = session.execute(FREE_PLACES)["occupancy"]
places = pd.json_normalize(groups).rename(columns=lambda name: name.split(".")[-1]).set_index("istatCode")
places["rate"] = (places["occupied"] / places["allocable"]).round(3)
print(places.sort_values("free", ascending=False).to_string())
print(f"{len(places)} municipalities, {places['free'].sum()} free of {places['allocable'].sum()} places")

# %% The same as a chart.
shown = places.sort_values("allocable").set_index("name")[["occupied", "reserved", "free"]]
figure = Figure(figsize=(8, 5), layout="constrained")
shown.plot.barh(ax=figure.subplots(), stacked=True, color=["#004d99", "#7f8c99", "#8fc31f"], xlabel="places", ylabel="")
figure.savefig(CHART, dpi=150)
print(f"chart: {CHART}")

# %% Every change as it happens. First comes the state of each pool of places, then the changes.
CHANGES = gql("""
    subscription Changes {
      occupancyChanged {
        cursor kind cause category
        facility { code municipality { name } }
        capacity { occupied free }
      }
    }
""")


def changes():
    """Yields changes of places, for as long as one asks for more."""
    url = URL.replace("http", "ws", 1) + "/graphql/ws"
    socket = WebsocketsTransport(
        url, init_payload=AUTHORIZATION, subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL]
    )
    for message in Client(transport=socket).subscribe(CHANGES):
        event = message["occupancyChanged"]
        if event["kind"] == "CHANGED":
            yield event
        else:
            print("now", event["facility"]["code"], event["capacity"]["free"], "free", flush=True)


if TOKEN:
    for event in islice(changes(), EVENTS):
        facility, capacity = event["facility"], event["capacity"]
        where = f"{facility['code']} in {facility['municipality']['name']}"
        print(f"{event['cause']}: {where}, {capacity['free']} free", flush=True)
