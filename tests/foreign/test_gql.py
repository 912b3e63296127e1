"""The hub as the Python client `gql` sees it, by HTTP and by socket.

`gql.test.mjs` runs this: TAVOLO_TEST_URL is the hub, TAVOLO_TEST_TOKEN a token of the Province, and TAVOLO_TEST_FACILITY a
facility with ten places that nobody else changes.
"""

import os
import unittest

from gql import Client, GraphQLRequest, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.exceptions import TransportConnectionFailed, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

URL = os.environ["TAVOLO_TEST_URL"]
PROVINCE = {"authorization": "Bearer " + os.environ["TAVOLO_TEST_TOKEN"]}
STRANGER = {"authorization": "Bearer x.y.z"}
FACILITY = os.environ["TAVOLO_TEST_FACILITY"]

WHO = gql("{ viewer { role } }")
LIVE = GraphQLRequest(
    """subscription Live($facility: ID!) {
      occupancyChanged(filter: { facility: $facility }) { kind cause capacity { installed } }
    }""",
    variable_values={"facility": FACILITY},
)
INSTALL = """mutation Install($input: InstallPlacesInput!) {
  installPlaces(input: $input) { facility { id } irregularities { code } }
}"""


def by_http(headers=PROVINCE):
    return AIOHTTPTransport(url=URL + "/graphql", headers=headers)


def session(transport):
    """With an introspection on the way in, `gql` checks every document against the hub's own schema."""
    return Client(transport=transport, fetch_schema_from_transport=True)


async def refusal(asked):
    """The code of the error that a question gets. `assertRaises` clears the frames of what was raised, and one of them is
    that of the task by which `gql` goes on reading."""
    try:
        await asked
    except TransportQueryError as error:
        return error.errors[0]["extensions"]["code"]


async def install(installed):
    places = {"facility": FACILITY, "category": "ORDINARY", "installed": installed}
    async with session(by_http()) as province:
        answer = await province.execute(GraphQLRequest(INSTALL, variable_values={"input": places}))
    act = answer["installPlaces"]
    if not act["facility"]:
        raise AssertionError(act["irregularities"])


class Http(unittest.IsolatedAsyncioTestCase):
    async def test_a_query_is_answered(self):
        async with session(by_http()) as province:
            self.assertEqual(await province.execute(WHO), {"viewer": {"role": "PROVINCE"}})

    async def test_nobody_in_particular_is_the_public(self):
        async with session(by_http(headers=None)) as public:
            self.assertEqual(await public.execute(WHO), {"viewer": {"role": "PUBLIC"}})

    async def test_a_token_that_is_not_valid_is_refused(self):
        async with Client(transport=by_http(STRANGER)) as stranger:
            self.assertEqual(await refusal(stranger.execute(WHO)), "UNAUTHENTICATED")

    async def test_a_document_that_does_not_fit_is_an_error(self):
        async with Client(transport=by_http()) as province:
            self.assertEqual(await refusal(province.execute(gql("{ weather }"))), "BAD_REQUEST")


class Socket:
    """What holds whichever library carries the socket."""

    def line(self, headers=PROVINCE, **options):
        return self.transport(url=URL.replace("http", "ws", 1) + "/graphql/ws", init_payload=headers, **options)

    async def test_a_query_is_answered(self):
        async with session(self.line()) as province:
            self.assertEqual(await province.execute(WHO), {"viewer": {"role": "PROVINCE"}})

    async def test_the_state_comes_first_then_each_change(self):
        await install(10)
        heard = []
        async with session(self.line()) as province:
            async for message in province.subscribe(LIVE):
                heard.append(message["occupancyChanged"])
                if len(heard) == 3:
                    break
                await install(10 + len(heard))
        self.assertEqual([event["kind"] for event in heard], ["CURRENT", "CHANGED", "CHANGED"])
        self.assertEqual([event["cause"] for event in heard], [None, "PLACES_INSTALLED", "PLACES_INSTALLED"])
        self.assertEqual([event["capacity"]["installed"] for event in heard], [10, 11, 12])

    async def test_each_ping_has_its_pong(self):
        line = self.line(ping_interval=0.02, pong_timeout=10)
        async with session(line) as province:
            for _ in range(3):
                line.pong_received.clear()
                await line.pong_received.wait()
            self.assertEqual(await province.execute(WHO), {"viewer": {"role": "PROVINCE"}})

    async def test_a_token_that_is_not_valid_closes_with_4401(self):
        line = self.line(STRANGER)
        with self.assertRaises(TransportConnectionFailed):
            await line.connect()
        self.assertEqual(line.adapter.websocket.close_code, 4401)
        await line.adapter.close()

    async def test_an_error_leaves_the_socket_open(self):
        async with Client(transport=self.line()) as province:
            self.assertEqual(await refusal(province.execute(gql("{ weather }"))), "BAD_REQUEST")
            self.assertEqual(await province.execute(WHO), {"viewer": {"role": "PROVINCE"}})


class SocketOfWebsockets(Socket, unittest.IsolatedAsyncioTestCase):
    transport = WebsocketsTransport


class SocketOfAiohttp(Socket, unittest.IsolatedAsyncioTestCase):
    transport = AIOHTTPWebsocketsTransport
