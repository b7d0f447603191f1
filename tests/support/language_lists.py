"""Languages that translation services list, by their own codes and English names.

Each row is a code, the name beside it, and the tag of the name where it says less or more than the code.
"""

from __future__ import annotations

AZURE = """\
af | Afrikaans
sq | Albanian
am | Amharic
ar | Arabic
hy | Armenian
as | Assamese
az | Azerbaijani (Latin) | az-Latn
az | Azerbaijani
bn | Bangla
ba | Bashkir
eu | Basque
be | Belarusian
bn | Bengali
bho | Bhojpuri
brx | Bodo
bs | Bosnian (Latin)
bs | Bosnian
bg | Bulgarian
yue | Cantonese (Traditional) | yue-Hant
ca | Catalan
hne | Chhattisgarhi
lzh | Chinese (Literary)
zh-Hans | Chinese Simplified
zh-Hant | Chinese Traditional
zh-Hans | Chinese (Simplified)
zh-Hant | Chinese (Traditional)
sn | chiShona
hr | Croatian
cs | Czech
da | Danish
prs | Dari
dv | Divehi
doi | Dogri
nl | Dutch
en | English
et | Estonian
fo | Faroese
fj | Fijian
fil | Filipino
fi | Finnish
fr | French
fr-ca | French (Canada)
gl | Galician
ka | Georgian
de | German
el | Greek
gu | Gujarati
ht | Haitian Creole
ha | Hausa
he | Hebrew
hi | Hindi
mww | Hmong Daw (Latin) | mww-Latn
mww | Hmong Daw
hu | Hungarian
is | Icelandic
ig | Igbo
id | Indonesian
ikt | Inuinnaqtun
iu | Inuktitut
iu-Latn | Inuktitut (Latin)
ga | Irish
it | Italian
ja | Japanese
kn | Kannada
ks | Kashmiri
kk | Kazakh
kk-cyrl | Kazakh (Cyrillic)
kk-latn | Kazakh (Latin)
km | Khmer
rw | Kinyarwanda
tlh-Latn | Klingon | tlh
tlh-Latn | Klingon (Latin)
tlh-Piqd | Klingon (plqaD)
gom | Konkani | kok
ko | Korean
ku | Kurdish (Central) | ckb
kmr | Kurdish (Northern)
ku-arab | Kurdish (Arabic) (Central) | ckb
ku-latn | Kurdish (Latin) (Northern) | kmr
ky | Kyrgyz (Cyrillic) | ky-Cyrl
ky | Kyrgyz
lo | Lao
lv | Latvian
lt | Lithuanian
ln | Lingala
dsb | Lower Sorbian
lug | Luganda
mk | Macedonian
mai | Maithili
mg | Malagasy
ms | Malay (Latin)
ms | Malay
ml | Malayalam
mt | Maltese
mi | Maori
mi | Māori
mr | Marathi
mn-Cyrl | Mongolian (Cyrillic)
mn-Mong | Mongolian (Traditional)
my | Myanmar (Burmese)
my | Myanmar
ne | Nepali
nb | Norwegian | no
nb | Norwegian Bokmål
nya | Nyanja
or | Odia
ps | Pashto
fa | Persian
pl | Polish
pt | Portuguese (Brazil) | pt-BR
pt-pt | Portuguese (Portugal)
pa | Punjabi
otq | Queretaro Otomi
otq | Querétaro Otomi
ro | Romanian
run | Rundi
ru | Russian
sm | Samoan (Latin)
sm | Samoan
sr-Cyrl | Serbian (Cyrillic)
sr-Latn | Serbian (Latin)
st | Sesotho
nso | Sesotho sa Leboa
tn | Setswana
sd | Sindhi
si | Sinhala
sk | Slovak
sl | Slovenian
so | Somali (Arabic) | so-Arab
so | Somali
es | Spanish
sw | Swahili (Latin)
sw | Swahili
sv | Swedish
ty | Tahitian
tg | Tajik (Cyrillic) | tg-Cyrl
ta | Tamil
tt | Tatar (Latin) | tt-Latn
tt | Tatar
te | Telugu
th | Thai
bo | Tibetan
ti | Tigrinya
to | Tongan
tr | Turkish
tk | Turkmen (Latin) | tk-Latn
tk | Turkmen
uk | Ukrainian
hsb | Upper Sorbian
ur | Urdu
ug | Uyghur (Arabic) | ug-Arab
ug | Uyghur
uz | Uzbek (Latin) | uz-Latn
uz | Uzbek
vi | Vietnamese
cy | Welsh
xh | Xhosa
yo | Yoruba
yua | Yucatec Maya
zu | Zulu
"""

GOOGLE = """\
ab | Abkhaz
ace | Acehnese
ach | Acholi
aa | Afar
af | Afrikaans
sq | Albanian
alz | Alur
am | Amharic
ar | Arabic
hy | Armenian
as | Assamese
av | Avar
awa | Awadhi
ay | Aymara
az | Azerbaijani
ban | Balinese
bal | Baluchi
bm | Bambara
bci | Baoulé
ba | Bashkir
eu | Basque
btx | Batak Karo
bts | Batak Simalungun
bbc | Batak Toba
be | Belarusian
bem | Bemba
bn | Bengali
bew | Betawi
bho | Bhojpuri
bik | Bikol
bs | Bosnian
br | Breton
bg | Bulgarian
bua | Buryat
yue | Cantonese
ca | Catalan
ceb | Cebuano
ch | Chamorro
ce | Chechen
ny | Chichewa
ny | Chichewa (Nyanja)
zh-CN | Chinese (Simplified) | zh-Hans
zh-TW | Chinese (Traditional) | zh-Hant
chk | Chuukese
cv | Chuvash
co | Corsican
crh | Crimean Tatar
crh | Crimean Tatar (Cyrillic) | crh-Cyrl
crh-Latn | Crimean Tatar (Latin)
hr | Croatian
cs | Czech
da | Danish
fa-AF | Dari
dv | Dhivehi
dv | Divehi
din | Dinka
doi | Dogri
dov | Dombe
nl | Dutch
dyu | Dyula
dz | Dzongkha
en | English
eo | Esperanto
et | Estonian
ee | Ewe
fo | Faroese
fj | Fijian
tl | Filipino
fil | Filipino (Tagalog)
fi | Finnish
fon | Fon
fr | French
fr-CA | French (Canada)
fr-CA | French (Canadian)
fr-FR | French (French) | fr
fr-FR | French (France)
fy | Frisian
fur | Friulian
ff | Fulani
ff | Fulfulde
gaa | Ga | ga
gl | Galician
lg | Ganda (Luganda)
ka | Georgian
de | German
el | Greek
gn | Guarani
gu | Gujarati
ht | Haitian Creole
cnh | Hakha Chin
ha | Hausa
haw | Hawaiian
iw | Hebrew
hil | Hiligaynon
hi | Hindi
hmn | Hmong
hu | Hungarian
hrx | Hunsrik
iba | Iban
is | Icelandic
ig | Igbo
ilo | Ilocano
ilo | Iloko
id | Indonesian
iu-Latn | Inuktut (Latin)
iu | Inuktut (Syllabics) | iu-Cans
ga | Irish
it | Italian
jam | Jamaican Patois
ja | Japanese
jw | Javanese
kac | Jingpo
kl | Kalaallisut
kn | Kannada
kr | Kanuri
pam | Kapampangan
kk | Kazakh
kha | Khasi
km | Khmer
cgg | Kiga
kg | Kikongo
rw | Kinyarwanda
ktu | Kituba
trp | Kokborok
kv | Komi
gom | Konkani | kok
ko | Korean
kri | Krio
ku | Kurdish (Kurmanji) | kmr
ckb | Kurdish (Sorani)
ky | Kyrgyz
lo | Lao
ltg | Latgalian
la | Latin
lv | Latvian
lij | Ligurian
li | Limburgan
li | Limburgish
ln | Lingala
lt | Lithuanian
lmo | Lombard
lg | Luganda
luo | Luo
lb | Luxembourgish
mk | Macedonian
mad | Madurese
mai | Maithili
mak | Makassar
mg | Malagasy
ms | Malay
ms-Arab | Malay (Jawi)
ml | Malayalam
mt | Maltese
mam | Mam
gv | Manx
mi | Maori
mr | Marathi
mh | Marshallese
mwr | Marwadi
mfe | Mauritian Creole
chm | Meadow Mari
mni-Mtei | Meiteilon (Manipuri) | mni
min | Minang
lus | Mizo
mn | Mongolian
my | Myanmar (Burmese)
bm-Nkoo | NKo | nko
nhe | Nahuatl (Eastern Huasteca)
ndc-ZW | Ndau | ndc
nr | Ndebele (South)
new | Nepalbhasa (Newari)
ne | Nepali
nso | Northern Sotho (Sepedi)
no | Norwegian
nus | Nuer
ny | Nyanja (Chichewa)
oc | Occitan
or | Odia (Oriya)
om | Oromo
os | Ossetian
pag | Pangasinan
pap | Papiamento
ps | Pashto
fa | Persian
pl | Polish
pt | Portuguese (Brazil) | pt-BR
pt-BR | Portuguese (Brazil)
pt-PT | Portuguese (Portugal)
pa | Punjabi
pa | Punjabi (Gurmukhi)
pa-Arab | Punjabi (Shahmukhi)
qu | Quechua
kek | Qʼeqchiʼ
rom | Romani
ro | Romanian
rn | Rundi
ru | Russian
se | Sami (North)
sm | Samoan
sg | Sango
sa | Sanskrit
sat-Latn | Santali (Latin)
sat | Santali (Ol Chiki) | sat-Olck
gd | Scots Gaelic
nso | Sepedi
sr | Serbian
st | Sesotho
crs | Seychellois Creole
shn | Shan
sn | Shona
scn | Sicilian
szl | Silesian
sd | Sindhi
si | Sinhala
si | Sinhala (Sinhalese)
sk | Slovak
sl | Slovenian
so | Somali
es | Spanish
su | Sundanese
sus | Susu
sw | Swahili
ss | Swati
sv | Swedish
tl | Tagalog (Filipino)
ty | Tahitian
tg | Tajik
ber-Latn | Tamazight | tzm
ber | Tamazight (Tifinagh) | tzm-Tfng
ta | Tamil
tt | Tatar
te | Telugu
tet | Tetum
th | Thai
bo | Tibetan
ti | Tigrinya
tiv | Tiv
tpi | Tok Pisin
to | Tongan
lua | Tshiluba
ts | Tsonga
tn | Tswana
tcy | Tulu
tum | Tumbuka
tr | Turkish
tk | Turkmen
tyv | Tuvan
ak | Twi | tw
ak | Twi (Akan) | tw
udm | Udmurt
uk | Ukrainian
ur | Urdu
ug | Uyghur
uz | Uzbek
ve | Venda
vec | Venetian
vi | Vietnamese
war | Waray
cy | Welsh
wo | Wolof
xh | Xhosa
sah | Yakut
yi | Yiddish
yo | Yoruba
yua | Yucatec Maya
zap | Zapotec
zu | Zulu
"""

AMAZON = """\
af | Afrikaans
sq | Albanian
am | Amharic
ar | Arabic
hy | Armenian
az | Azerbaijani
bn | Bengali
bs | Bosnian
bg | Bulgarian
ca | Catalan
zh | Chinese (Simplified) | zh-Hans
zh-TW | Chinese (Traditional) | zh-Hant
hr | Croatian
cs | Czech
da | Danish
fa-AF | Dari
nl | Dutch
en | English
et | Estonian
fa | Farsi (Persian)
tl | Filipino, Tagalog
fi | Finnish
fr | French
fr-CA | French (Canada)
ka | Georgian
de | German
el | Greek
gu | Gujarati
ht | Haitian Creole
ha | Hausa
he | Hebrew
hi | Hindi
hu | Hungarian
is | Icelandic
id | Indonesian
ga | Irish
it | Italian
ja | Japanese
kn | Kannada
kk | Kazakh
ko | Korean
lv | Latvian
lt | Lithuanian
mk | Macedonian
ms | Malay
ml | Malayalam
mt | Maltese
mr | Marathi
mn | Mongolian
no | Norwegian
no | Norwegian (Bokmål) | nb
ps | Pashto
pl | Polish
pt | Portuguese (Brazil) | pt-BR
pt | Portuguese
pt-PT | Portuguese (Portugal)
pa | Punjabi
ro | Romanian
ru | Russian
sr | Serbian
si | Sinhala
sk | Slovak
sl | Slovenian
so | Somali
es | Spanish
es-MX | Spanish (Mexico)
sw | Swahili
sv | Swedish
ta | Tamil
te | Telugu
th | Thai
tr | Turkish
uk | Ukrainian
ur | Urdu
uz | Uzbek
vi | Vietnamese
cy | Welsh
"""

DEEPL = """\
ACE | Acehnese
AF | Afrikaans
SQ | Albanian
AR | Arabic
AN | Aragonese
HY | Armenian
AS | Assamese
AY | Aymara
AZ | Azerbaijani
BA | Bashkir
EU | Basque
BE | Belarusian
BN | Bengali
BHO | Bhojpuri
BS | Bosnian
BR | Breton
BG | Bulgarian
MY | Burmese
YUE | Cantonese
CA | Catalan
CEB | Cebuano
ZH | Chinese
ZH-HANS | Chinese (simplified)
ZH-HANT | Chinese (traditional)
HR | Croatian
CS | Czech
DA | Danish
PRS | Dari
NL | Dutch
EN | English
EN-US | English (American)
EN-GB | English (British)
EO | Esperanto
ET | Estonian
FI | Finnish
FR | French
GL | Galician
KA | Georgian
DE | German
EL | Greek
GN | Guarani
GU | Gujarati
HT | Haitian Creole
HA | Hausa
HE | Hebrew
HI | Hindi
HU | Hungarian
IS | Icelandic
IG | Igbo
ID | Indonesian
GA | Irish
IT | Italian
JA | Japanese
JV | Javanese
PAM | Kapampangan
KK | Kazakh
GOM | Konkani | kok
KO | Korean
KMR | Kurdish (Kurmanji)
CKB | Kurdish (Sorani)
KY | Kyrgyz
LA | Latin
LV | Latvian
LN | Lingala
LT | Lithuanian
LMO | Lombard
LB | Luxembourgish
MK | Macedonian
MAI | Maithili
MG | Malagasy
MS | Malay
ML | Malayalam
MT | Maltese
MI | Maori
MR | Marathi
MN | Mongolian
NE | Nepali
NB | Norwegian (Bokmål)
NB | Norwegian Bokmål
OC | Occitan
OM | Oromo
PAG | Pangasinan
PS | Pashto
FA | Persian
PL | Polish
PT | Portuguese
PT-BR | Portuguese (Brazilian)
PT-PT | Portuguese (European)
PT-PT | Portuguese (all Portuguese variants excluding Brazilian Portuguese)
PA | Punjabi
QU | Quechua
RO | Romanian
RU | Russian
SA | Sanskrit
SR | Serbian
ST | Sesotho
SCN | Sicilian
SK | Slovak
SL | Slovenian
ES | Spanish
ES-419 | Spanish (Latin American)
SU | Sundanese
SW | Swahili
SV | Swedish
TL | Tagalog
TG | Tajik
TA | Tamil
TT | Tatar
TE | Telugu
TH | Thai
TS | Tsonga
TN | Tswana
TR | Turkish
TK | Turkmen
UK | Ukrainian
UR | Urdu
UZ | Uzbek
VI | Vietnamese
CY | Welsh
WO | Wolof
XH | Xhosa
YI | Yiddish
ZU | Zulu
"""
