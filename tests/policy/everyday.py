"""Everyday messages in many languages, with the numbers that everyday messages have."""

from __future__ import annotations

TEXTS = """
See you at 7 in front of the cinema
Can you bring milk and 6 eggs?
My new number is +49 151 23456789, please save it
Call me on 0151 2345 6789 after 18:00
The meeting is moved to 2026-11-05 at 14:30
Your parcel 1Z999AA10123456784 arrives tomorrow
Order 302-1234567-1234567 has shipped
Tracking: JJD000390007827283748
Flight LH 1234, gate B12, seat 23A, boarding 18:05
Booking reference X7K9QP
Room 2040, second floor, ring twice
It was 1,299.00 EUR in total
I ran 10000 steps and 7.5 km today
Happy birthday!! 🎂🎉 40 already?
I forgot my password again 🙈
Did you reset the password?
The password is wrong, try again
Password reset does not work for me
Please change your password soon
What's the wifi password?
I can't remember my password, can you help?
my password is expired
Password? No idea
password: ********
Password: please ask Anna
The key is under the mat
The secret is more butter
Victoria's secret: see the shop
The secret of a good soup is time
Their secret: time
Open with the blue key, then the red one
API keys are in the vault, ask Tom
Do you have an access token for the museum?
Token of appreciation for you: flowers
My PIN does not work any more
Pin it to the wall please
PIN? What PIN?
Pinned the message from 12:30
IBAN follows tomorrow
Send me your IBAN please
Which bank? N26 or ING?
DE or EN version?
Version 3.11.4 is out, 3.12 soon
Build 20261105.4 failed on main
Commit 9f86d081 breaks the tests
sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
UUID 123e4567-e89b-12d3-a456-426614174000
https://www.example.com/articles/20261105/4829?ref=share&id=9f86d081884c
https://maps.example.com/?q=52.520008,13.404954
https://meet.example.com/abc-defg-hij
https://youtu.be/dQw4w9WgXcQ?t=42
mail me at anna.schmidt@example.com
Anna: anna@example.com, Ben: ben@example.com
52.520008, 13.404954
ISBN 978-3-16-148410-0
EAN 4006381333931
VIN WVWZZZ1JZXW000001
Invoice no. 2026/11/000123, due 30.11.2026
Customer 1234567890
Your ticket: 1234 5678 9012 3456 789
Meter reading 0001234567 8
Serial C02XK1ABJHD3
IMEI 490154203237518 is what the shop asked for?
Lotto: 3 8 15 16 23 42
Score 21:19, 18:21, 15:11
1234567890123456
9876 5432 1098 7654
2026 2026 2026 2026
100000000000000
Happy 2026 everyone!
pH 7.4, 37.5 °C, 120/80
Take 2 x 500 mg at 08:00 and 20:00
The recipe: 250 g flour, 3 eggs, 125 ml milk
Chapter 12, pages 123-145
Bus 4711 at 06:42, then S7 to Ostkreuz
The code review is at 1530
pass me the salt
The pass is closed because of snow
My passport is in the drawer
passport photo 35x45
Passwords are hard
I passed the exam with 98 points!
Passierschein A38
Ich habe mein Passwort vergessen
Wie ist das WLAN-Passwort?
Das Passwort ist falsch
Passwort ändern bitte
Passwort: siehe Zettel
Kennwort vergessen, morgen nochmal
Kommst du um 19 Uhr? Wir sind in der Hauptstr. 123, 10115 Berlin
Die Rechnung über 1.250,00 € ist bezahlt
Termin am 05.11.2026 um 9:15 bei Dr. Müller
Aktenzeichen 12 C 345/26
Kundennummer 0012345678
Zug ICE 1005, Wagen 23, Platz 61
Der Schlüssel liegt bei Frau Krause
Geheimnis: viel Liebe
Steuer-ID brauche ich noch von dir
Sendungsnummer 00340434161094021501
¿Vienes mañana a las 8?
He olvidado la contraseña del wifi
La contraseña no funciona
¿Cuál es la clave del éxito?
La clave es la paciencia
La clave está en el 2 por 1
Quedamos el 05/11 en la calle Mayor 12, 28013 Madrid
El pedido 123456789 llega el jueves
Son 1.250 € en total
Feliz cumpleaños!! 40 años ya
Esqueci a senha de novo
A senha está errada
Qual é a senha do wifi?
Retire a senha no balcão
Rua Augusta 1234, São Paulo, CEP 01304-001
O boleto vence dia 10/11
Deu R$ 1.234,56
Chego às 18h30
On se voit à 20h devant le ciné ?
J'ai oublié le mot de passe
Le mot de passe ne marche pas
C'est quoi le mot de passe ?
La clef est sous le pot
12 rue de la Paix, 75002 Paris
Commande n° 1234567890 expédiée
Ça fait 1 250,00 €
Mon train part à 7h42 voie 12
Ci vediamo alle 20 davanti al cinema
Ho dimenticato la password
La password non funziona
Qual è la password del wifi?
Via Roma 12, 00184 Roma
Il totale è 1.250 €
L'ordine 123456789 arriva domani
Ik ben mijn wachtwoord vergeten
Wat is het wachtwoord?
Tot morgen om 8 uur op perron 12
Zapomniałem hasła
Jakie jest hasło do wifi?
Spotkanie o 18:30, ul. Długa 12, 00-238 Warszawa
Zapomněl jsem heslo
Sraz v 18:30 u metra
Elfelejtettem a jelszót
Am uitat parola
Parola nu merge
Parole, parole, parole
Wi-Fi şifresi ne?
Şifremi unuttum
Saat 18:30'da görüşürüz
Glömde lösenordet igen
Vi ses kl 18:30
Unohdin salasanan
Ξέχασα τον κωδικό
Τα λέμε στις 8
Я забыл пароль
Какой пароль от вайфая?
Пароль не подходит
Встречаемся в 18:30 у метро
Заказ 123456789 доставлен
Забув пароль, вибач
שכחתי את הסיסמה
ניפגש ב-18:30
نسيت كلمة المرور
نلتقي الساعة 8
رمز عبور رو یادم رفته
मैं पासवर्ड भूल गया
कल 9 बजे मिलते हैं
পাসওয়ার্ড ভুলে গেছি
Tôi quên mật khẩu rồi
Mai gặp lúc 8 giờ
Lupa kata sandi lagi
ลืมรหัสผ่านอีกแล้ว
เจอกัน 18:30
我忘了密码
密码不对
明天下午2点见
会议在2026年11月5日 14:30
快递单号 SF1234567890123
パスワードを忘れました
明日の18時に会いましょう
電話は 03-1234-5678 です
비밀번호를 잊어버렸어요
내일 오후 2시에 만나요
택배 1234567890
""".strip().splitlines()

NUMBERS = [
    f"{what} {number}"
    for what in ("Order", "Ticket no.", "Rechnung", "Pedido", "Заказ")
    for number in (
        "4829133",
        "2026-000123",
        "AB-12345-XYZ",
        "00340434161094021",
        "RR123456785DE",
    )
]
EVERYDAY = [*TEXTS, *NUMBERS]
