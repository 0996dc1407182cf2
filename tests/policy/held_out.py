"""Texts on which masking is measured and never developed: written down before it was, and left alone.

`CODES` are one-time codes as services word them, each with its code between ⟦ and ⟧. `NUMBERS` are everyday
messages in which every number stays.
"""

from __future__ import annotations

from typing import Final

CODES: Final = (
    r"""
123–456 is your WhatsApp code
Your Uber code is ⟦7 3 0 4⟧. Never share it.
⟦580341⟧ ist Ihr PayPal-Sicherheitscode. Geben Sie ihn nicht weiter.
PayPal: ⟦581‑204⟧ is your security code.
Enter ⟦640 118⟧ on the sign-in screen
Type ⟦204918⟧ into the app to finish
Use ⟦771 203⟧ to confirm your new device
MFA token: ⟦330912⟧
Two-step verification: ⟦440 981⟧
Your authentication number: ⟦883104⟧
Authenticator backup: ⟦7731 2290⟧ (one-time code)
Bank of Example: ⟦119384⟧. Expires in 5 min.
⟦604721⟧. Valid for 10 minutes. If you did not request this, ignore it.
Your one time passcode is *⟦662019⟧*
Login code: ⟦84.21.07⟧
Tinder: ⟦553019⟧. Do not tell anyone.
Confirm your number with ⟦2290⟧ - your PIN
Passcode ⟦８８３０１２⟧
OTP is ⟦4·8·2·9·1·3⟧
Apple ID Code is: ⟦771983⟧. Don't share it with anyone.
Ihr Zahlencode für die Freigabe: ⟦771 204⟧
Gib ⟦440192⟧ in der App ein
Anmeldung bestätigen mit ⟦830471⟧, gültig 3 Minuten
Bitte ⟦551 902⟧ im Browser eingeben
Einmalcode *⟦229104⟧* nicht weitergeben
Saisissez ⟦730 442⟧ pour valider votre paiement
Votre code à usage unique : ⟦48–21–09⟧
⟦551298⟧ : votre code, valable 10 minutes
Ingresa ⟦449 201⟧ en la aplicación
Tu clave es ⟦66 10 48⟧, vence en 5 minutos
Código de un solo uso: ⟦904 118⟧
Digite ⟦338120⟧ no aplicativo para continuar
Seu código: ⟦55 19 02⟧. Válido por 5 minutos.
Inserisci ⟦660 291⟧ nell'app per confermare
Il codice usa e getta è ⟦771–290⟧
Voer ⟦229 410⟧ in om in te loggen
Je eenmalige code: ⟦771·204⟧
Wpisz ⟦881 204⟧ w aplikacji
Jednorazowy kod to ⟦339 102⟧
Zadejte ⟦550 128⟧ do aplikace, platí 5 minut
Kód na prihlásenie: ⟦449 018⟧
Írja be: ⟦772 019⟧
Introduceți ⟦338 902⟧ în aplicație
Uygulamaya ⟦449 203⟧ girin
Tek seferlik kod: ⟦881 902⟧
Введите ⟦440 192⟧ в приложении
Код для входа: ⟦77–10–29⟧
Введіть ⟦551 029⟧ у застосунку
Въведете ⟦662 019⟧, валиден 5 минути
Ange ⟦449 012⟧ i appen
Indtast ⟦338 201⟧ for at logge ind
Skriv inn ⟦772 901⟧ i appen
Syötä ⟦550 912⟧ sovellukseen
Εισάγετε ⟦449 102⟧ στην εφαρμογή
הזן את ⟦440 918⟧ באפליקציה
أدخل ⟦٤٤٠٩١٨⟧ في التطبيق
کد یکبار مصرف: ⟦۴۴۰ ۹۱۸⟧
ऐप में ⟦440918⟧ दर्ज करें
কোড ⟦440 918⟧, ৫ মিনিট
Masukkan ⟦440 918⟧ di aplikasi
Nhập ⟦440918⟧ vào ứng dụng
กรอก ⟦440918⟧ ในแอป ภายใน 5 นาที
请在应用中输入 ⟦440918⟧
驗證碼：⟦４４０９１８⟧
アプリに⟦440918⟧と入力してください
앱에 ⟦440 918⟧ 을 입력하세요
""".strip()
    .replace("123–456", "⟦123–456⟧")
    .splitlines()
)

NUMBERS: Final = r"""
The tickets are 24,50 each, I paid 98
Rent is 1 250 € from March
It was 129.99 on sale, 89 with the card
We sold it for 12 500 dollars
Can you lend me 200? I'll pay back 250
Flat 12, 4th floor, bell 1204
House number 1187, the red door
She lives at 4521 Maple Street
Rathausplatz 12, 90403 Nürnberg
Post to 560001 Bangalore please
101000, Москва, ул. Мясницкая 26
上海市浦东新区 200120
Call 020 7946 0018 after six
Mein Büro: 089 / 123456-78
My number is 555-010-4477
Fax 030 901820
Call extension 4471 at the office
Meet at 18:45, platform 12
On 24.12. we eat at 19:30
Born 12.03.1987 in Graz
Back on 03/04/2027 around 11
2027-01-15 to 2027-01-22 is booked
180624 was the date on the photo
Half past 7, or 19.30 at the latest
The 1130 train, not the 1230
Order 448201 is on its way
Your order no. 551 902 was shipped
Bestellung 4481902 kommt morgen
Rechnung Nr. 202611 über 89,00 €
Tracking number 00340433836612
Invoice 118204, due in 10 days
Ticket #118204 is closed
Pedido 339102 enviado
Commande 771204 expédiée
Заказ 440192 готов
订单号 440918 已发货
Room 1402, ask for Mr. Lee
Gate 22, boarding 0615
Flight EW 9464 is 40 minutes late
Bus 4021 comes in 10 minutes
10 minutes late, sorry, train 71204
Run 1: 10500 steps, 48 min
Weight 82.4, 120/80, pulse 64
Bake 250 g at 180 for 35 min
Use 250 ml of water and 500 g of flour
Enter the park by gate 3, then 200 m left
Type 2 diabetes, 5 mg twice a day
Open the app, page 12, exercise 4
The app has 100000 downloads
I have 1200 photos in the app
Version 2.14.3 of the app is out
He scored 147 in 12 frames
The answer is 4096, I think
Population 331000 in 2020
Chapter 1204 is the best
Model 340118 fits, the other one does not
Part number 771-204-B
Licence plate M AB 1234
ISO 27001, level 3
Channel 4, at 2100
1984 is a book, 2001 a film
Das Los 114477 hat 50 € gewonnen
Konto 440918, BLZ 70050000
Member 118204 since 2011
Meter: 018204 kWh
Altitude 2962 m, 1450 m up
PIN board is on wall 4
Sign in at the desk on floor 12 at 0900
Verify the 1450 entries by Friday
Log in the hours: 7, 8, 6, 8
The code has 12000 lines
The code review of 118 files took 45 minutes
Password reset took 20 minutes, ticket 4471
Please confirm 14 guests for the 24th
Confirmed: table for 6 at 20:30
Confirmation of payment 1.204,00 €
Authentic 1950 watch, 4500 €
Postleitzahl 80331, Vorwahl 089
Bring 2 or 3, not 4
12345 is a stupid guess
Lottery: 04 11 18 27 33 41
""".strip().splitlines()
