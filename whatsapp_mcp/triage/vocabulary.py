"""The words by which questions, requests, promises and thanks are recognised, for each language.

All are written as `speech.fold` leaves a text: lower case, without accents. Each is a part of a regular
expression; those of all languages are joined, since a short message rarely tells its language.
"""

from __future__ import annotations

import re
from typing import Final

FILLERS: Final = (
    r"h(?:e+y+|i+|ello)|yo+|so+|ok(?:ay)?|and|but|btw|oh|omg|well"
    r"|sorry(?: to bother u?(?:you)? again)?|lol|haha\w*|also"
    r"|(?:good )?(?:morning|evening)|dear|love|mate|bro|dude"
    r"|hallo|hu+hu+|na|du|und|aber|ach|achso|moin|servus|guten (?:tag|morgen|abend)|schatz|mal|denn|sag mal"
    r"|ho+la+|oye|ey|pues|y|pero|entonces|buen[oa]s?(?: dias| tardes| noches)?|perdona?|tio|tia|mira"
    r"|al final"
    r"|(?:for )?(?:today|tonight|tomorrow|tmrw)|heute?|morgen|dann|jetzt|hoy|manana|luego|ahora|hoje"
    r"|hj|amanha|agora"
    r"|oi+e?|ola+|e ai|e|ai|mas|entao|bom dia|boa (?:tarde|noite)|desculpa|cara|amor|gente|sumid[ao]"
)
"""What stands before a question without being one."""

ASKS: Final = "|".join(
    (
        # English
        r"what'?s\b|what\b(?! (?:a|an|the)\b)|wats?\b|whos?\b(?! (?:cares|knows)\b)|who'?s\b|which\b"
        r"|whose\b|wh?y (?:is|are|do|did|dont|didn)"
        r"|(?:where|when|how)(?:'?s| is| are| r| was| were| do| does| did| can| should| will| would"
        r"| shall| u\b| many| much)"
        r"|how (?:long|far|old|about|come|often|soon|big)\b"
        r"|(?:are|r|were|do|did|have|has|can|could|will|would|should|shall|may|did) "
        r"(?:u|you|ya|we|i|they|he|she|it|your|ur|the|there|some\w+|any\w*|every\w+|that|this|those)\b"
        r"|(?:is|was|does) (?:it|that|this|he|she|the|there|your|ur|every\w+|any\w+|some\w+)\b"
        r"|wanna\b|want to\b|fancy\b|up for\b|feel like\b|(?:u|you) (?:around|there|up|free|coming"
        r"|home|ok|still|in)\b"
        r"|any (?:news|updates?|ideas?|chance|plans?|luck)\b|still on for\b|free (?:to|on|this|next|tom)"
        r"|(?:quick|one) question",
        # German
        r"we[rmn]\b(?! weiss)|wessen\b|wo\b|wann\b|wie\b(?! (?:geil|suss|suess|schon|schoen|cool|krass"
        r"|lieb|nett|toll|immer))|wieso\b|warum\b"
        r"|weshalb\b|woher\b|wohin\b|womit\b|welche[rsnm]?\b|wieviele?\b"
        r"|was (?:ist|sind|hast|hat|machst|macht|machen|gibts?|meinst|meint|haltst|halst|kostet|willst"
        r"|soll|sollen|wollen|bekomm\w+"
        r"|brauch\w+|denkst|wars?|geht|kann|konnen|hattest|darf|mochtest|ware|sagst|sagt|fehlt|hab)\b"
        r"|(?:kommst|bist|hast|kannst|konntest|magst|mochtest|willst|wirst|wurdest|weisst|gehst|machst"
        r"|nimmst|bringst"
        r"|schickst|hattest|warst|brauchst|siehst|fahrst|denkst|holst|gibst|sagst|rufst|darfst|musst"
        r"|lauft)\b"
        r"|\w{3,}st (?:du|mir|uns|mich)\b"
        r"|(?:habt|seid|konnt|konntet|kommt|wollt|macht|geht|braucht|wisst|nehmt|bringt) (?:ihr|sie"
        r"|jemand|wer|es)\b"
        r"|(?:kennt|weiss|hat|kann|will|kommt|mag|konnte) (?:mir |uns |mal |das )*(?:jemand|einer|wer)\b"
        r"|(?:haben|konnen|konnten|wurden|wissen|kommen|mochten|sind|sollen|wollen|machen|treffen"
        r"|sagen) (?:sie|wirs?|ihr)\b"
        r"|(?:ist|war|geht|ginge|passt|klappt|reicht|gibt) (?:es|das|dir|euch|dein\w*|die|der|alles"
        r"|noch|schon|auch|bei|mal)\b"
        r"|gibts\b|(?:hast|bist|wart) |lust (?:auf|zu)\b|(?:kurze|eine|noch ne|ne) frage\b|wie sieht"
        r"|(?:darf|kann|soll) ich\b",
        # Spanish
        r"(?:a |de |para |con |en )?(?:que|q) (?:tal|haces|hacemos|hago|hay|hora\w?|opinas|piensas"
        r"|crees|te parece|dices|quieres|pasa|paso"
        r"|talla|numero|dia|tienes|plan\w*|es|era|fue|vas|vais|necesitas|prefieres|color|tren|vuelo"
        r"|hiciste|traigo|llevo|compro|numero)\b"
        r"|quien(?:es)?\b(?! sabe)|como (?:estas?|vas?|fue|te|quedo|se|lo|hacemos|es|andas|sigue\w*"
        r"|quieres|era|llego)\b"
        r"|cuando (?:es|vienes|llegas|quedamos|te|nos|puedes|sales?|podemos|vas|vuelves|empieza|tienes"
        r"|seria|os|le)\b"
        r"|(?:a |de )?donde (?:estas?|andas?|quedamos|es|vas|vives|queda|te|nos|has|lo|esta\w*)\b"
        r"|cual(?:es)?\b(?!quier)|cuant[oa]s?\b"
        r"|por ?que (?:no|te|lo|has|es|esta)\b"
        r"|(?:me |nos |te |os |se |ya |lo |la |le |les |tu )*(?:vienes|venis|puedes|podrias|podeis"
        r"|podemos|quieres|quereis|tienes|teneis"
        r"|sabes|sabeis|has|habeis|vas|vais|estas|estais|traes|pasas|mandas|dejas|prestas|ayudas"
        r"|recoges|compras|llevas|llamas"
        r"|avisas|apetece|apuntas|quedamos|conoces|conoceis|haces|necesitas|prefieres|crees|sigues"
        r"|te va|os va|importa|importaria)\b"
        r"|(?:me |ya |lo |te )*(?!existe|triste|insiste|consiste|celeste|chiste)\w+(?:aste|iste|asteis"
        r"|isteis)s?\b"
        r"|(?:puede|podria|podrian|sigue|esta|hay|tiene|tienen|es|sirve|vale|sabe|sabeis) (?:ser|usted"
        r"|ustedes|disponible|alguien|libre|bien|algo)\b"
        r"|se (?:sabe|puede|podria)\b|alguna novedad|alguien (?:sabe|tiene|conoce|puede|va|viene)\b"
        r"|una pregunt",
        # Portuguese
        r"(?:o|do|no|pra|com|de|a)? ?(?:que|q) (?:horas?|vc|voce|acha\w*|foi|houve|vamos|eu|tem|fazer"
        r"|faco|fazemos|tal|dia|achou|acontec\w+|aconteceu|quer)\b"
        r"|quem\b(?! sabe)|qua(?:l|is)\b|quant[oa]s?\b|(?:de |pra |aonde|a)?onde\b|cade\b"
        r"|como (?:vc|voce|foi|vai|vao|faz\w*|faco|fica|ta|tao|e que|eh)\b"
        r"|quando (?:vc|voce|e|vem|pode|chega|sai|vai|a gente|vamos|comeca)\b"
        r"|(?:e )?(?:vc|voce|ce|tu|vcs|voces|alguem) (?:ja |nao |tb |ainda |me )*"
        r"(?:vem|vao|vai|pode\w*|podia|conseg\w+|tem|quer\w*|viu|viram|pegou|receb\w+|conhece|achou|ta"
        r"|esta|acha|acham|prefere\w*"
        r"|pagou|lembra|poderia\w*|topa\w*|chegou|falou|passa|traz|leva|compra|comprou|mandou"
        r"|sabe (?:se|onde|quando|quem|qual))\b"
        r"|(?:ja |me |nos |tu )*(?:pode|podia|poderia|podem|consegue|conseguem|conseguiu|quer|querem"
        r"|topa|topam|achou|pagou|recebeu"
        r"|falou|viu|traz|leva|manda|empresta|passa|liga|fala|avisa|diz|ajuda|lembra|responde|conta"
        r"|comprou|chegou|chegaram|ganharam|ligou)\b"
        r"|(?:vai|vem|tem|ta|esta|estao|da|sera|tudo) (?:comigo|hoje|hj|amanha|ai|em casa|tudo|bem"
        r"|como|que|pra|livre|jogo|alguma|alguem)\b"
        r"|sera que|da pra\b|bora\b|vamos (?:no|na|pra|sair|almocar|jantar|marcar)\b"
        r"|alguma (?:novidade|noticia)|uma pergunt",
    )
)
"""How a question or a request begins."""

REQUESTS: Final = "|".join(
    (
        # English
        r"p(?:lea|l)[sz]e?\b|please\b|let (?:me|us) know\b(?! if you need)|lmk\b|(?:tell|call|text"
        r"|send|remind|give|bring|help|ring|ping|message|show|email|get back to) (?:me|us)\b"
        r"|keep me posted\b|(?:i |we )?need (?:the|your|a|it|to know|you to|an answer|this|that|those"
        r"|ur)\b|need\b.{1,40}\bby\b"
        r"|wants? to know if\b|just (?:checking|wondering|wanted to (?:ask|check))\b|wondering if\b"
        r"|would (?:love|appreciate) (?:your|ur|some|any)\b"
        r"|(?:can|could|would|will) (?:u|you|ya)\b|don'?t forget to\b|(?:r|are) u\b|what should i do\b"
        r"|what do (?:u|you) think\b"
        r"|confirm (?:if|your|that|whether|by)\b|ask your (?:mum|mom|dad)\b|yes or no\b"
        r"|your thoughts\b|any thoughts\b",
        # German
        r"bitte\b(?! (?:gern|sehr|schon))|(?:sag|gib|gebt|geben sie|sagt)\b.{0,20}\bbescheid\b"
        r"|meld(?:e)? dich\b|ruf(?:t|en sie)?\b.{0,12}\b(?:an|zuruck)\b"
        r"|(?:schick|bring|gib|sag|zeig|hilf|schreib|leih)e? (?:mir|uns|mal|das|den)\b|brauche? (?:die"
        r"|den|das|deine?n?|noch|bis|dich|dringend|ne|eine)\b"
        r"|brauch\w*\b.{1,40}\bbis\b|frag (?:mal|bitte|deine?)\b|vergiss nicht\b|denk (?:bitte "
        r"|mal )?(?:dran|an)\b|feedback\b.{0,12}\bbis\b"
        r"|will wissen ob\b|wollte (?:nur |mal |kurz )*(?:nach)?fragen\b|erinner mich\b|(?:kannst"
        r"|konntest|wurdest|konnten) (?:du|sie|ihr)\b|was soll ich\b"
        r"|was (?:meinst|haltst|denkst|sagst) du\b|ruckmeldung\b|ja oder nein\b|(?:hast|bist|gehst"
        r"|kommst|machst|nimmst|bringst|weisst|willst|magst) (?:du|d)\b",
        # Spanish
        r"porfa(?:vor|s)?\b|por ?favor\b|plis\b|necesito (?:que|los?|las?|tu|saber|el|un|ayuda)\b"
        r"|(?:dime|decidme|dinos|avisa(?:me|nos|d|dme)|aviseme|mandame|pasame"
        r"|enviame|llamame|escribeme|recuerdame|acuerdate|confirmad(?:me)?|confirme[nm]?(?:os)?"
        r"|confirmame|dejame saber|diganme|preguntale|contestame|respondeme)\b"
        r"|(?:ya )?me dices\b(?! que)|queri?a (?:saber|preguntar\w*)\b|no (?:te )?olvides\b|que hago\b"
        r"|que (?:opinas|te parece|piensas|dices)\b|me (?:podrias|puedes|podeis)\b"
        r"|dice \w+ que si\b|si o no\b|(?:puedes|podrias|podeis) \w+(?:r|rme|rnos|rlo|rla)\b"
        r"|haced(?:me)?\b",
        # Portuguese
        r"pfv+r?\b|por favor\b|pf\b|favor \w+r\b|preciso (?:d[aoe]s?|que|saber|falar)\b|me (?:manda"
        r"|liga|fala|avis[ae]|diz|passa|ajuda|lembra|traz|responde|empresta|conta)\b(?! que)"
        r"|nao (?:se )?esquec\w+\b|pergunta pra\b|(?:queria|gostaria de|quer) saber\b|confirm(?:em|a"
        r"|e) (?:se|a|o|por|ai)\b|o que (?:eu )?faco\b|o que (?:vc|voce)s? (?:acha|acham|achou)\b"
        r"|(?:vc|voce|vcs|voces) (?:pode|podia|poderia|consegue|podem)\b|sim ou nao\b|facam\b"
        r"|desculpa insistir\b",
    )
)
"""What makes a sentence a request wherever it stands."""

PROMISES: Final = "|".join(
    (
        # English
        r"(?:i|we)(?:'?ll| will| shall) (?!be\b|see\b|never\b|miss\b|always\b)(?:\w+)|ill (?:send|ask"
        r"|check|bring|call|do|get|make|let|pay|book|look|text|try|find|forward|take|pick|drop|order"
        r"|tell|have|give)\b"
        r"|(?:im|i'?m|we'?re) (?:gonna|going to) (?!be\b)(?:send|ask|check|bring|call|do|get|make|pay"
        r"|book|look|find|forward|pick|order|give)\b"
        r"|let me (?:check|see|ask|find|look|get back|think|talk)\b|(?<!so )(?<!if )i can (?:book"
        r"|bring|do|send|pick"
        r"|make|take|call)\b|i promise\b|doing it (?:now|tonight|today|tomorrow)\b"
        r"|will (?:send|get back|let you know|call|check|forward|transfer|pay)\b|get back to (?:u"
        r"|you)\b|hold on\b.{0,12}\bcheck\w*",
        # German
        r"ich (?:schick|send|bring|frag|mach|meld|kummer|ruf|uberweis|klar|schau|besorg|hol|kauf"
        r"|reservier|buch|stell|check|sag|geb|zahl|bezahl|schreib|organisier)e?\b(?! (?:mir"
        r"|mich) (?:sorgen|nix|nichts))"
        r"|(?:ich|wir) (?:werde|werden)\b|(?:schick|bring|frag|meld|send|uberweis)e? (?:ich"
        r"|wir)?\s?(?:dir|ihnen|euch|mich|dich)\b|muss mal (?:schauen|gucken|sehen|fragen)\b"
        r"|ruf da .{0,12}\ban\b|(?:sende|schicke|melde|erhalten sie|bekommen sie)\b.{1,40}\b(?:bis|zu"
        r"|heute|morgen|zuruck)\b|meld mich\b|reservier\b|versprochen\b|schreib(?:e)? dir\b",
        # Spanish
        r"(?:te|os|le|les|lo|la) (?:mando|paso|digo|aviso|cuento|llamo|hago|envio|escribo|confirmo"
        r"|compro|traigo|llevo|pago|devuelvo|busco|miro|hablo|pregunto|recojo|hacemos llegar|enviamos"
        r"|mandamos)\b(?! que)"
        r"|yo (?:llevo|hago|traigo|compro|reservo|pago|me encargo|lo hago|lo llevo|llamo|miro|paso)\b"
        r"|me encargo\b|(?:dejame|deja que|voy a) (?:ver|mirar|preguntar\w*|mandar\w*|hablar\w*"
        r"|comprobar\w*|enviar\w*|llamar\w*|buscar\w*|hacer\w*|pagar\w*|reservar\w*)"
        r"|ahora (?:te|os|lo) \w+o\b|luego (?:te|os|lo) \w+o\b|prometo\b",
        # Portuguese
        r"(?:te|lhe|ja te|depois te) (?:mando|aviso|passo|ligo|falo|envio|retorno|conto|faco|pago"
        r"|respondo|trago|digo|confirmo)\b|mando (?:aqui|ai|hoje|hj|amanha|ja|depois)\b"
        r"|(?<!que )\beu (?:levo|faco|trago|compro|reservo|pago|ligo|vejo|mando|cuido|busco|resolvo)\b"
        r"|vou (?:perguntar|falar|ver|mandar|fazer|enviar|ligar|checar|confirmar|procurar|pagar"
        r"|reservar|levar|comprar|buscar)\b"
        r"|deixa (?:eu ver|comigo|que eu)\b|ligo (?:pra|para)\b|(?:envio|enviamos|enviaremos"
        r"|mandamos)\b|prometo\b",
    )
)
"""What says that the speaker is going to do something."""

AGREES: Final = (
    r"will do\b|on it\b|sure(?:,? (?:thing|no problem))?\b|mach ich\b|machen wir\b|wird gemacht\b"
    r"|wird erledigt\b"
    r"|(?:si )?lo hago\b|claro\b|dale\b|faco sim\b|pode deixar\b|clar(?:o|amente)\b"
)
"""Taking on what the other asked for; alone it says nothing."""

NOT_YET: Final = (
    r"not yet\b|soon\b|later\b|in a (?:bit|sec\w*|min\w*)\b|noch nicht\b|spater\b|gleich\b|moment\b"
    r"|aun no\b|todavia no\b|luego\b"
    r"|ahora (?:mismo )?no\b|un (?:momento|segundo|seg)\b|ainda nao\b|depois\b|jaja\b(?!ja)"
    r"|um (?:momento|segundo|minuto)\b|hold on\b"
)
"""An answer that leaves the question open."""

CANCELS: Final = (
    r"never ?mind\b|nvm\b|forget (?:it|about it)\b|(?:already )?(?:found|sorted|solved) (?:it|out)\b"
    r"|all good now\b|no need\b"
    r"|hat sich erledigt\b|schon (?:gefunden|erledigt|gut)\b|habs gefunden\b|vergiss es\b|passt schon\b"
    r"|nada nada\b|ya (?:lo|la) (?:encontre|tengo|resolvi)\b|olvidalo\b|da igual\b|ya esta\b"
    r"|^deixa\b(?! (?:eu|comigo|que))|ja (?:achei|resolvi|consegui)\b|esquece\b(?! de)|nao precisa\b"
)
"""What takes an own question back."""

FULFILS: Final = (
    r"^(?:here|done|sent|paid|booked|just (?:sent|paid|booked|did))\b|here (?:it is|you go|u go"
    r"|they are)\b|(?:i|we) (?:sent|paid|booked) (?:it|them)\b"
    r"|^(?:hier|erledigt|fertig|uberwiesen|gemacht|gebucht)\b|habs? .{0,20}\b(?:uberwiesen|geschickt"
    r"|erledigt|gebucht|reserviert)\b"
    r"|^(?:aqui|listo|hecho|enviad[oa]|pagad[oa]|reservad[oa])\b|ya (?:te|lo|la|esta) \w+e\b|^(?:feito"
    r"|pronto|enviad[oa]|pago|reservad[oa]|mandei|paguei|liguei)\b"
)
"""What says that a promise was kept."""

THANKS: Final = (
    r"(?:thanks?|thx|tysm|ty|thank (?:u|you)|cheers|tnx|danke|dankeschon|dank dir|merci)\b"
    r"|gracia+s+\b|(?:obrigad[ao]+|valeu|vlw|brigad[ao])\b"
)

ONE_OF_MANY: Final = (
    r"(?:any(?:one|body)|someone|somebody|jemand|irgendwer|alguien|alguem)\b"
    r"|who (?:left|was|took|did|has|ate|used|broke|made|wrote|said|knows|cleans?|can)\b|wer (?:war|hat"
    r"|weiss|macht|kann)\b"
    r"|quien (?:fue|ha|tiene|dejo|sabe|puede)\b|quem (?:foi|deixou|tem|ta com|sabe|pegou|esqueceu|pode)\b"
)
"""Asks a group for one of it, whoever it is."""

EVERYBODY: Final = (
    r"(?:every(?:one|body)|all of (?:you|u)|guys|you all|y'?all|alle|allen|euer|eure|ihr|leute|todos"
    r"|todas|vuestr[oa]s?|chicos|chicas"
    r"|gente|pessoal|galera|vcs|voces)\b|^(?:so )?who(?:'?s)?\b|who (?:hasn'?t|has not|wants|is)\b"
    r"|^we[rm]\b|^quien(?:es)?\b|^quem\b"
)
"""Asks everybody in a group."""

AUTOMATED: Final = (
    r"(?:reply stop|unsubscribe|do not reply|don'?t reply|no-?reply"
    r"|nicht (?:auf diese nachricht )?(?:ant|beant)worten|no responda|nao responda)\b"
    r"|(?:rate (?:us|your)|bewerte\w*(?: sie)?|valore\w*|avalie\w*)\b.*https?:|https?:.*\b(?:rate us"
    r"|bewerte\w*|valore\w*|avalie\w*)\b"
)
"""Messages of machines that want no answer."""

TAG: Final = (
    r"(?:right|ok|okay|yeah|huh|eh|innit|ne|nicht wahr|oder|gell|ja|verdad|no|vale|sabes|viste|ta|beleza)$"
)
"""The end of a statement that asks for agreement."""

LAUGHS: Final = (
    r"[\U0001F602\U0001F923\U0001F644\U0001F605\U0001F60D\U0001F926\U0001F970\U0001F62D]"
    r"|lo+l+\b|(?:ha){2,}\w*|(?:ja){2,}\w*|k{3,}\b|rsrs\w*"
)
"""Said for effect, or in fun."""


def compiled(words: str) -> re.Pattern[str]:
    """A part of this vocabulary as a pattern for folded text, in which each begins a word.

    One boundary before all: an alternative that begins with a letter is then passed over by that letter.
    """
    return re.compile(rf"\b(?:{words})")
