print("trained again")
