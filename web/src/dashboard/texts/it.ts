import type {
  BlockReason,
  FacilityType,
  NumbersPrecision,
  OccupancyCause,
  PlaceCategory,
  Role,
} from "../graph/contract";
import type { Measure } from "../movements";

/** `n` with the word in the singular or the plural. */
const count = (n: number, one: string, many: string) => `${n} ${n === 1 ? one : many}`;
const places = (n: number) => count(n, "posto", "posti");

const PARTICIPLES: Record<Measure, [one: string, many: string]> = {
  occupied: ["occupato", "occupati"],
  reserved: ["riservato", "riservati"],
  blocked: ["bloccato", "bloccati"],
  installed: ["installato", "installati"],
  accredited: ["accreditato", "accreditati"],
};

/** `Texts` is what every language must say: the same entries as the Italian ones. */
export type Texts = typeof it;

export const it = {
  title: "Tavolo · I posti dell’accoglienza nella provincia di Crotone",
  owner: "Accoglienza di rifugiati e richiedenti asilo · Provincia di Crotone",
  claim: "Il tavolo virtuale di chi accoglie",
  skip: "Vai al contenuto",
  language: "Lingua",
  heading: "I posti dell’accoglienza nella provincia di Crotone",

  connection: "Collegamento",
  connecting: "Collegamento in corso …",
  live: "In diretta",
  lost: (since: string) => `Collegamento perso alle ${since}: i numeri sono quelli di prima. Si riprova da soli.`,
  refused: "Il gettone non è valido, o non lo è più.",
  failed: (reason: string) => `L’hub non capisce la domanda di questa pagina: ${reason}`,
  unanswered: (reason: string) => `L’hub non risponde alla domanda: ${reason}`,
  asOf: (instant: string) => `Dati del ${instant}`,
  noData: "Ancora nessun dato",
  paused: "In pausa",
  pause: "Metti in pausa",
  resume: "Riprendi",
  print: "Stampa",
  asPublic: "Continua come pubblico",
  announcement: (free: string, occupied: string) => `Aggiornamento. Posti liberi: ${free}; occupati: ${occupied}.`,

  about: (n: string) => `circa ${n}`,
  told: {
    EXACT: "",
    DAY_BEFORE: "com’era ieri",
    ROUNDED: "a passi di cinque",
    BANDED: "ieri, a passi di dieci",
    WITHHELD: "persone: non detto",
  } satisfies Record<NumbersPrecision, string>,
  whyCoarse:
    "I posti sono quelli veri. Quante persone ci sono, a chi non è degli enti del tavolo si dice all’ingrosso: a passi " +
    "di cinque dove strutture e posti sono abbastanza, altrove com’era alla fine di ieri e a passi di dieci; delle " +
    "categorie protette in un solo comune, niente. Così da un numero non si riconosce l’arrivo o la partenza di " +
    "nessuno. I totali sono dei posti ordinari; quelli protetti hanno righe loro, e dove non ce ne sono altri la mappa non " +
    "mostra posti. Con il gettone di un ente si vedono i numeri esatti, in diretta.",

  viewer: "Chi guarda",
  viewerSees: "Vede anche le singole strutture.",
  viewerSeesByDay: "Vede anche le singole strutture, com’erano alla fine di ieri.",
  viewerSeesTotals: "Vede i totali di provincia, comuni e categorie, all’ingrosso.",
  demoRole: "Ruolo della dimostrazione",
  token: "Gettone (token)",
  useToken: "Usa il gettone",
  tokenNote: "Resta in questa scheda del browser finché non la chiudete; non va nell’indirizzo né altrove.",
  adoptToken: (body?: { organisation: string; role: string }) =>
    body
      ? `L’indirizzo porta un gettone di «${body.organisation}» (${body.role}): con quello si guarda e si agisce per ` +
        "questo ente. Continuare così?"
      : "L’indirizzo porta un gettone che l’hub non riconosce. Continuare con quello?",
  ownToken: "un mio gettone",
  roles: {
    PROVINCE: "Provincia",
    OPERATOR: "Ente gestore",
    MUNICIPALITY: "Comune",
    PREFECTURE: "Prefettura",
    CENTRAL_SERVICE: "Servizio centrale",
    ANALYST: "Analista",
    PUBLIC: "Pubblico",
  } satisfies Record<Role, string>,

  province: "La provincia adesso",
  provinceYesterday: "La provincia ieri",
  free: "Liberi",
  occupied: "Occupati",
  reserved: "Riservati",
  blocked: "Bloccati",
  allocable: "Assegnabili",
  installed: "Installati",
  accredited: "Accreditati",
  rate: "Occupazione",
  notes: {
    free: "si possono assegnare subito",
    occupied: "ospiti presenti",
    reserved: "attesi, non ancora arrivati",
    blocked: "temporaneamente non fruibili",
  },
  summary: (occupied: string, allocable: number, rate: string, facilities: number) =>
    `${occupied} occupati su ${places(allocable)} assegnabili (${rate}), in ${count(facilities, "struttura", "strutture")}`,
  overCapacity: (n: string) => `Oltre la capienza di ${n}`,
  over: "oltre la capienza",
  category: "Categoria",
  byCategory: "Posti per categoria",
  categories: {
    ORDINARY: "Ordinari",
    UNACCOMPANIED_MINOR: "Minori stranieri non accompagnati",
    MENTAL_HEALTH_OR_DISABILITY: "Disagio mentale o disabilità",
  } satisfies Record<PlaceCategory, string>,

  municipalities: "I comuni",
  municipality: "Comune",
  mapLabel: "Carta dei 27 comuni, colorati per occupazione",
  mapHint: "Con le frecce si passa da un comune all’altro, con Invio lo si sceglie. La tabella dice lo stesso.",
  mapCredits: "Confini: ISTAT, CC BY (openpolis/geojson-italy)",
  mapNumbers: "Sulla carta: i posti liberi",
  noPlaces: "Nessun posto",
  noPlacesIn: (name: string) => `${name}: nessun posto`,
  notToldIn: (name: string, allocable: number) =>
    `${name}: ${places(allocable)} assegnabili; quante persone ci sono non è detto`,
  notTold: "non detto",
  placesIn: (name: string, free: string, occupied: string, allocable: number, rate: string) =>
    `${name}: posti liberi ${free}, occupati ${occupied} su ${allocable} (${rate})`,
  bands: ["meno del 50 %", "50–69 %", "70–84 %", "85–99 %", "pieno"],
  legend: "Occupazione",
  chosen: (name: string) => `Scelto: ${name}`,
  wholeProvince: "Tutta la provincia",
  choose: (name: string) => `Scegli ${name}`,
  municipalitiesWithout: (n: number) => `In ${count(n, "altro comune", "altri comuni")} non ci sono posti.`,

  history: "L’andamento",
  historyOf: (name: string) => `Andamento: ${name}`,
  period: "Periodo",
  periods: { day: "24 ore", month: "30 giorni", year: "un anno" },
  historyLoading: "Si legge il registro …",
  historyEmpty: "Per questo periodo il registro non ha ancora nulla.",
  historyTold: "Com’è stato detto di volta in volta a chi guarda.",
  historyAt: (moment: string, occupied: string, allocable: number) =>
    `${moment}: ${occupied} occupati su ${allocable} assegnabili`,
  historyTable: "I valori in tabella",
  moment: "Momento",

  movements: "Gli ultimi movimenti",
  movementsNone: "Nessun movimento da quando la pagina è aperta.",
  movementsOfTotals: "Si vedono dai totali dei comuni. Vanno a passi: un passo non è quanti sono arrivati o partiti.",
  movementsByDay: "Ciò che un giorno ha cambiato si dice quando il giorno è finito.",
  difference: (measure: Measure, n: number) =>
    `${places(Math.abs(n))} ${Math.abs(n) === 1 ? PARTICIPLES[measure][0] : PARTICIPLES[measure][1]} in ${n > 0 ? "più" : "meno"}`,
  step: (measure: Measure, before: string, after: string) => `${PARTICIPLES[measure][1]} da ${before} a ${after}`,
  after: (occupied: string, free: string) => `ora ${occupied} occupati, ${free} liberi`,
  afterDay: (occupied: string, free: string) => `alla fine del giorno ${occupied} occupati, ${free} liberi`,
  causes: {
    PLACES_INSTALLED: "Posti installati o tolti",
    PLACES_BLOCKED: "Posti bloccati",
    PLACES_UNBLOCKED: "Posti sbloccati",
    BLOCK_BEGAN: "Inizio di un blocco",
    BLOCK_ENDED: "Fine di un blocco",
    ACCREDITATION_GRANTED: "Accreditamento concesso",
    ACCREDITATION_BEGAN: "Accreditamento in vigore",
    ACCREDITATION_SUSPENDED: "Accreditamento sospeso",
    ACCREDITATION_REVOKED: "Accreditamento revocato",
    ACCREDITATION_EXPIRED: "Accreditamento scaduto",
    ADMISSION: "Arrivo",
    DISCHARGE: "Uscita",
    CORRECTION: "Registro corretto",
  } satisfies Record<OccupancyCause, string>,

  facilities: "Le strutture",
  facilitiesHidden: "Le singole strutture le vede chi ha un gettone: si inserisce in alto, sotto «Chi guarda».",
  facilitiesCaption: "Strutture; un clic sull’intestazione ordina",
  facilitiesShown: (shown: number, all: number) =>
    shown === all ? count(all, "struttura", "strutture") : `${shown} di ${count(all, "struttura", "strutture")}`,
  facility: "Struttura",
  state: "Stato",
  search: "Cerca",
  searchHint: "nome o codice",
  all: "Tutte",
  show: "Mostra",
  conditions: {
    all: "Tutte",
    free: "Con posti liberi",
    over: "Oltre la capienza",
    accreditation: "Senza accreditamento in vigore",
    expiring: "Accreditamento in scadenza (90 giorni)",
  },
  none: "Nessuna struttura corrisponde.",
  accreditation: {
    inForce: (until: string) => `Accreditata fino al ${until}`,
    openEnded: "Accreditata",
    expiring: (until: string) => `Accreditamento in scadenza il ${until}`,
    expired: (until: string) => `Accreditamento scaduto il ${until}`,
    SUSPENDED: "Accreditamento sospeso",
    REVOKED: "Accreditamento revocato",
    REJECTED: "Accreditamento respinto",
    SUBMITTED: "Accreditamento richiesto",
    DRAFT: "Domanda in preparazione",
    future: (from: string) => `Accreditata dal ${from}`,
    none: "Mai accreditata",
  },

  back: "Tutta la provincia",
  facilityLoading: "Si legge la struttura …",
  facilityUnknown: (code: string) => `La struttura ${code} non c’è, o chi guarda non può vederla.`,
  address: "Indirizzo",
  operator: "Ente gestore",
  holder: "Titolare del progetto",
  project: "Progetto",
  type: "Tipo",
  rooms: "Stanze",
  roomsNotDeclared: "non dichiarate",
  room: (letter: string, beds: number, squareMetres: string) =>
    `${letter}: ${count(beds, "letto", "letti")}, ${squareMetres} m²`,
  bathrooms: "Bagni",
  barrierFree: "Senza barriere architettoniche",
  yes: "sì",
  no: "no",
  placesHeading: "Posti",
  accreditations: "Accreditamenti",
  accreditationsNone: "Nessuna domanda di accreditamento.",
  act: (number: string) => `determina ${number}`,
  blocks: "Blocchi",
  block: (n: number, reason: string, from: string, until?: string) =>
    `${places(n)}: ${reason}, dal ${from}${until ? ` al ${until}` : ""}`,
  blockReasons: {
    DAMAGE: "danni",
    WORKS: "lavori",
    HYGIENE: "misure igieniche",
    MORE_ROOM_NEEDED: "serve più spazio",
    STAFFING: "manca il personale",
    OTHER: "altro",
  } satisfies Record<BlockReason, string>,
  irregularities: "Irregolarità",
  irregularitiesNone: "Nessuna.",
  types: {
    APARTMENT: "Appartamento",
    COLLECTIVE_CENTRE: "Centro collettivo",
    MINORS_COMMUNITY: "Comunità per minori",
    MINORS_SEMI_AUTONOMY: "Semi-autonomia per neomaggiorenni",
    HEALTH_COMMUNITY: "Comunità per disagio mentale o sanitario",
    FAMILY_HOME: "Casa-famiglia",
  } satisfies Record<FacilityType, string>,

  footer: "Questa pagina è un partecipante come gli altri: chiede solo ciò che il grafo dà a chiunque ne abbia titolo.",
  footerLinks: {
    graphiql: "GraphiQL: interrogare il grafo",
    contract: "Il contratto (schema.graphql)",
    health: "Il servizio è acceso",
    ready: "Il servizio è pronto",
    licences: "Licenze di ciò che è usato qui",
    typeface: "Licenza di Titillium Web",
  },
};
